"""A ledger keeps its entries whatever else happens at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from msgspec import Struct
from msgspec.structs import replace

from pillion.errors import ConflictError, StoreError
from pillion.ports.store import Change, Remove, StateItem, StateStore, Upsert
from pillion.resilience.ledger import Ledger
from pillion.stores.memory import MemoryStateStore
from pillion.stores.sqlite import SQLiteStateStore


class Note(Struct, frozen=True):
    text: str
    taken: int = 0


class WatchedStore(MemoryStateStore):
    """Takes turns, as a real store does; knows what was written; can fail."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[Sequence[Change]] = []
        self.before_write: Callable[[Sequence[Change]], None] = lambda _: None

    async def get(self, keys: Sequence[str]) -> dict[str, StateItem]:
        await asyncio.sleep(0)
        return await super().get(keys)

    async def write(self, changes: Sequence[Change]) -> None:
        await asyncio.sleep(0)
        self.before_write(changes)
        self.writes.append(changes)
        await super().write(changes)

    async def transact(self, changes: Sequence[Change]) -> None:
        await self.write(changes)

    @property
    def keys(self) -> set[str]:
        return set(self._entries)


def of_index(changes: Sequence[Change]) -> bool:
    return ":m:" not in changes[0].key


def ledger(store: StateStore, shards: int = 8) -> Ledger[Note]:
    return Ledger(store, "notes", Note, shards=shards)


async def test_what_is_put_is_there(store: StateStore) -> None:
    await ledger(store).put("an id || with ümläuts", Note("hello"), b"\x00\xff body")
    other = ledger(store)
    assert await other.entries() == {"an id || with ümläuts": Note("hello")}
    assert await other.body("an id || with ümläuts") == b"\x00\xff body"


async def test_the_same_id_overwrites(store: StateStore) -> None:
    notes = ledger(store)
    await notes.put("a", Note("first"), b"1")
    await notes.put("a", Note("second"), b"2")
    assert await notes.entries() == {"a": Note("second")}
    assert await notes.body("a") == b"2"


async def test_what_is_removed_is_gone(store: StateStore) -> None:
    notes = ledger(store)
    for id_ in "abc":
        await notes.put(id_, Note(id_), b"")
    await notes.remove(["a", "c", "never there"])
    assert set(await notes.entries()) == {"b"}
    assert await notes.bodies(["a", "b"]) == {"b": b""}


async def test_nothing_is_left_of_removed_and_replaced_entries() -> None:
    store = WatchedStore()
    notes = ledger(store)
    for number in range(20):
        await notes.put(f"id {number % 10}", Note("x"), b"body")
    await notes.remove([f"id {number}" for number in range(10)])
    assert {key for key in store.keys if ":m:" in key} == set()


async def test_keys_are_valid_in_every_store() -> None:
    store = WatchedStore()
    await ledger(store).put("a||b\n" * 500, Note("x"), b"body")
    assert all("||" not in key and key.isprintable() and len(key) < 100 for key in store.keys)


async def test_a_change_is_a_compare_and_swap(store: StateStore) -> None:
    ledgers = [ledger(store) for _ in range(10)]
    await ledgers[0].put("a", Note("x"), b"body")

    def take(note: Note) -> Note | None:
        return None if note.taken else Note(note.text, taken=1)

    taken = await asyncio.gather(*(notes.change(["a", "missing"], take) for notes in ledgers))
    assert sorted(map(len, taken)) == [0] * 9 + [1]
    assert await ledgers[0].entries() == {"a": Note("x", taken=1)}
    assert await ledgers[0].body("a") == b"body"


async def test_changes_of_one_process_leave_together() -> None:
    store = WatchedStore()
    notes = ledger(store, shards=1)
    await asyncio.gather(*(notes.put(str(number), Note("x"), b"") for number in range(100)))
    assert len(await notes.entries()) == 100
    assert len(store.writes) <= 6  # bodies and index, fifty at a time


async def test_two_processes_on_one_file_lose_nothing(tmp_path: Path) -> None:
    stores = [SQLiteStateStore(tmp_path / "state.db") for _ in range(2)]
    for store in stores:
        await store.start()
    ledgers = [ledger(store) for store in stores]

    async def live(number: int) -> None:
        notes, other = ledgers[number % 2], ledgers[1 - number % 2]
        await notes.put(str(number), Note(str(number)), str(number).encode())
        if number % 3 == 0:
            await other.remove([str(number)])

    await asyncio.gather(*(live(number) for number in range(500)))
    kept = {str(number) for number in range(500) if number % 3}
    assert set(await ledgers[0].entries()) == kept
    assert await ledgers[1].bodies(kept) == {id_: id_.encode() for id_ in kept}
    for store in stores:
        await store.close()


async def test_a_removal_does_not_take_the_body_of_an_entry_put_meanwhile() -> None:
    store = WatchedStore()
    notes, other = ledger(store), ledger(store)
    await notes.put("a", Note("old"), b"old")
    for _ in range(50):
        await asyncio.gather(notes.remove(["a"]), other.put("a", Note("new"), b"new"))
        if await notes.entries():
            assert await notes.body("a") == b"new"


async def test_a_crash_between_body_and_index_shows_no_half_entry() -> None:
    store = WatchedStore()

    def fail(changes: Sequence[Change]) -> None:
        if of_index(changes):
            raise StoreError("the store is gone")

    store.before_write = fail
    with pytest.raises(StoreError, match="gone"):
        await ledger(store).put("a", Note("x"), b"body")
    store.before_write = lambda _: None
    assert await ledger(store).entries() == {}
    await ledger(store).put("a", Note("x"), b"body")
    assert await ledger(store).body("a") == b"body"


async def test_a_body_that_stays_behind_is_no_failure() -> None:
    store = WatchedStore()
    notes = ledger(store)
    await notes.put("a", Note("x"), b"body")

    def fail(changes: Sequence[Change]) -> None:
        if isinstance(changes[0], Remove):
            raise StoreError("the store is gone")

    store.before_write = fail
    await notes.remove(["a"])
    assert await notes.entries() == {}


async def test_who_is_cancelled_does_not_hold_up_the_others() -> None:
    store = WatchedStore()
    notes = ledger(store, shards=1)
    puts = [asyncio.create_task(notes.put(str(number), Note("x"), b"")) for number in range(10)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    puts[0].cancel()
    await asyncio.gather(*puts, return_exceptions=True)
    assert set(await notes.entries()) >= {str(number) for number in range(1, 10)}


async def test_one_failure_does_not_end_the_ledger() -> None:
    store = WatchedStore()
    notes = ledger(store, shards=1)
    await store.write([Upsert("pillion:notes:0", b'"something else"')])
    with pytest.raises(StoreError, match="'pillion:notes:0' holds something that pillion did not write"):
        await notes.put("a", Note("x"), b"")
    await store.write([Remove("pillion:notes:0")])
    await notes.put("a", Note("x"), b"")
    assert set(await notes.entries()) == {"a"}


async def test_endless_conflicts_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pillion.resilience.ledger._LAST_WAIT", 0.0)
    store = WatchedStore()

    def conflict(changes: Sequence[Change]) -> None:
        if of_index(changes):
            raise ConflictError("somebody else was faster")

    store.before_write = conflict
    with pytest.raises(StoreError, match="changed by others 40 times in a row"):
        await ledger(store).put("a", Note("x"), b"")


async def test_an_etag_that_is_out_of_date_is_read_again() -> None:
    store = WatchedStore()
    notes = ledger(store, shards=1)
    spoil = iter([True, False])

    def spoil_once(changes: Sequence[Change]) -> None:
        change = changes[0]
        if of_index(changes) and isinstance(change, Upsert) and next(spoil, False):
            store._put(replace(change, value=b'{"theirs":["pillion:notes:m:1",{"text":"theirs"}]}'))

    store.before_write = spoil_once
    await notes.put("ours", Note("ours"), b"")
    assert await notes.entries() == {"theirs": Note("theirs"), "ours": Note("ours")}
