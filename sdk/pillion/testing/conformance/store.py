"""What every state store must do, as a test class for pytest.

Subclass it and give it a ``store`` fixture that yields a started store::

    class TestMyStore(StateStoreContract):
        @pytest.fixture
        async def store(self):
            store = MyStore()
            await store.start()
            yield store
            await store.close()
"""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import pytest

from pillion.errors import ConflictError, StoreError
from pillion.ports.store import Change, Remove, StateStore, Upsert
from pillion.testing.conformance.world import PATIENCE

_VALUES = [
    "null",
    "true",
    '"text"',
    '""',
    "{}",
    "[]",
    "0.1",
    "-7",
    "9007199254740993",
    "123456789012345678901234567890",
    '{"id":9223372036854775807,"card":"4111111111111111","at":1.5}',
    '{"nested":[{"a":null},["ä €","\\u0000 \\" \\\\ <b>&"]]}',
    '"pillion:json:1"',
]


class StateStoreContract:
    """What a state store must do."""

    @pytest.fixture
    def key(self) -> str:
        """A key of this test alone."""
        return f"key-{uuid.uuid4().hex}"

    async def pass_time(self, seconds: float) -> None:
        """Make that much time pass for the store; where its clock cannot be moved, do nothing: the test waits."""

    async def test_a_missing_key_is_missing_in_the_answer(self, store: StateStore, key: str) -> None:
        assert await store.get([key]) == {}
        assert await store.get([key, f"{key}-2"]) == {}

    async def test_no_keys_and_no_changes_are_no_work(self, store: StateStore) -> None:
        await store.write([])
        await store.transact([])
        assert await store.get([]) == {}

    @pytest.mark.parametrize("value", _VALUES)
    async def test_any_json_value_comes_back_equal(self, store: StateStore, key: str, value: str) -> None:
        await store.write([Upsert(key, value.encode())])
        await store.transact([Upsert(f"{key}-2", value.encode()), Upsert(f"{key}-3", value.encode())])
        one = await store.get([key])
        many = await store.get([f"{key}-2", f"{key}-3"])
        assert [json.loads(item.value) for item in (one | many).values()] == [json.loads(value)] * 3

    @pytest.mark.parametrize(
        "suffix", ["a/b", "a b", "ä€", "100%", "%2F", "?a=b&c", "#1", "a+b", ".", "..", "a|b", "{x}"]
    )
    async def test_a_key_may_hold_any_character(self, store: StateStore, key: str, suffix: str) -> None:
        name = f"{key}:{suffix}"
        await store.write([Upsert(name, b"1")])
        assert list(await store.get([name])) == [name]
        assert list(await store.get([name, key])) == [name]
        await store.write([Remove(name)])
        assert await store.get([name]) == {}

    async def test_every_write_gives_a_new_etag(self, store: StateStore, key: str) -> None:
        etags = [await _written(store, Upsert(key, b"1")) for _ in range(3)]
        assert len(set(etags)) == 3
        assert all(etags)

    async def test_one_read_and_many_reads_tell_the_same(self, store: StateStore, key: str) -> None:
        await store.write([Upsert(key, b"1"), Upsert(f"{key}-2", b"2")])
        many = await store.get([key, f"{key}-2", f"{key}-3"])
        assert many == await store.get([key]) | await store.get([f"{key}-2"])

    async def test_a_write_over_the_current_version_is_taken(self, store: StateStore, key: str) -> None:
        etag = await _written(store, Upsert(key, b"1"))
        await store.write([Upsert(key, b"2", etag=etag, first_write=True)])
        assert await _value(store, key) == 2

    async def test_a_write_over_an_old_version_conflicts(self, store: StateStore, key: str) -> None:
        old = await _written(store, Upsert(key, b"1"))
        await store.write([Upsert(key, b"2")])
        with pytest.raises(ConflictError):
            await store.write([Upsert(key, b"3", etag=old)])
        assert await _value(store, key) == 2

    async def test_a_first_write_inserts(self, store: StateStore, key: str) -> None:
        await store.write([Upsert(key, b"1", first_write=True)])
        assert await _value(store, key) == 1

    async def test_a_first_write_does_not_overwrite(self, store: StateStore, key: str) -> None:
        await store.write([Upsert(key, b"1")])
        with pytest.raises(ConflictError):
            await store.write([Upsert(key, b"2", first_write=True)])
        assert await _value(store, key) == 1

    async def test_of_two_first_writes_the_first_wins(self, store: StateStore, key: str) -> None:
        await store.write([Upsert(key, b"1", first_write=True)])
        with pytest.raises(ConflictError):
            await store.write([Upsert(key, b"2", first_write=True)])
        assert await _value(store, key) == 1

    async def test_a_plain_write_after_a_first_write_is_taken(self, store: StateStore, key: str) -> None:
        etag = await _written(store, Upsert(key, b"1", first_write=True))
        await store.write([Upsert(key, b"2", etag=etag, first_write=True)])
        await store.write([Upsert(key, b"3")])
        assert await _value(store, key) == 3

    async def test_a_removed_value_is_gone(self, store: StateStore, key: str) -> None:
        await store.write([Upsert(key, b"1")])
        await store.write([Remove(key)])
        assert await store.get([key]) == {}

    async def test_removing_what_is_not_there_is_no_error(self, store: StateStore, key: str) -> None:
        await store.write([Remove(key)])

    async def test_a_removal_of_the_current_version_is_taken(self, store: StateStore, key: str) -> None:
        etag = await _written(store, Upsert(key, b"1"))
        await store.write([Remove(key, etag=etag)])
        assert await store.get([key]) == {}

    async def test_a_removal_of_an_old_version_conflicts(self, store: StateStore, key: str) -> None:
        old = await _written(store, Upsert(key, b"1"))
        await store.write([Upsert(key, b"2")])
        with pytest.raises(ConflictError):
            await store.write([Remove(key, etag=old)])
        assert await _value(store, key) == 2

    async def test_of_several_writes_those_that_fit_are_taken(self, store: StateStore, key: str) -> None:
        await store.write([Upsert(key, b"1"), Upsert(f"{key}-gone", b"1")])
        changes: list[Change] = [
            Upsert(key, b"2", first_write=True),
            Upsert(f"{key}-a", b"3"),
            Upsert(f"{key}-b", b"4", first_write=True),
            Remove(f"{key}-gone"),
        ]
        with pytest.raises(ConflictError):
            await store.write(changes)
        found = await store.get([change.key for change in changes])
        assert {name: json.loads(item.value) for name, item in found.items()} == {key: 1, f"{key}-a": 3, f"{key}-b": 4}

    async def test_a_value_with_a_ttl_expires(self, store: StateStore, key: str) -> None:
        await store.write([Upsert(key, b"1", ttl=1), Upsert(f"{key}-2", b"2", ttl=600)])
        await self.pass_time(2)
        await _until_gone(store, key)
        assert await _value(store, f"{key}-2") == 2

    async def test_a_value_with_a_ttl_is_there_before_it_expires(self, store: StateStore, key: str) -> None:
        await store.write([Upsert(key, b"1", ttl=600)])
        await self.pass_time(500)
        assert await _value(store, key) == 1

    async def test_a_write_without_ttl_ends_an_earlier_ttl(self, store: StateStore, key: str) -> None:
        await store.write([Upsert(key, b"1", ttl=1), Upsert(f"{key}-2", b"1", ttl=1)])
        await store.write([Upsert(key, b"2")])
        await self.pass_time(2)
        await _until_gone(store, f"{key}-2")
        assert await _value(store, key) == 2

    async def test_an_expired_value_counts_as_none(self, store: StateStore, key: str) -> None:
        await store.write([Upsert(key, b"1", ttl=1)])
        await self.pass_time(2)
        await _until_gone(store, key)
        await store.write([Upsert(key, b"2", first_write=True)])
        assert await _value(store, key) == 2

    async def test_a_transaction_writes_all_its_changes(self, store: StateStore, key: str) -> None:
        await store.write([Upsert(f"{key}-gone", b"1")])
        await store.transact([Upsert(key, b"1"), Upsert(f"{key}-2", b"2", ttl=600), Remove(f"{key}-gone")])
        assert set(await store.get([key, f"{key}-2", f"{key}-gone"])) == {key, f"{key}-2"}

    async def test_a_transaction_of_one_conflicting_change_conflicts(self, store: StateStore, key: str) -> None:
        await store.write([Upsert(key, b"1")])
        with pytest.raises(ConflictError):
            await store.transact([Upsert(key, b"2", first_write=True)])
        assert await _value(store, key) == 1

    @pytest.mark.parametrize("late", [False, True], ids=["conflict first", "conflict last"])
    async def test_a_transaction_with_a_conflict_writes_nothing(self, store: StateStore, key: str, late: bool) -> None:
        old = await _written(store, Upsert(key, b"1"))
        await store.write([Upsert(key, b"2")])
        changes: list[Change] = [Upsert(key, b"3", etag=old), Upsert(f"{key}-2", b"3"), Upsert(f"{key}-3", b"3")]
        # A store that does not roll back has to refuse the whole, which is no conflict.
        with pytest.raises(ConflictError if store.capabilities.conditional_transactions else StoreError):
            await store.transact(changes[::-1] if late else changes)
        assert await _value(store, key) == 2
        assert await store.get([f"{key}-2", f"{key}-3"]) == {}

    async def test_a_transaction_with_current_etags_is_taken_or_refused(self, store: StateStore, key: str) -> None:
        etag = await _written(store, Upsert(key, b"1"))
        gone = await _written(store, Upsert(f"{key}-3", b"1"))
        changes: list[Change] = [
            Upsert(key, b"2", etag=etag),
            Upsert(f"{key}-2", b"2", first_write=True),
            Remove(f"{key}-3", etag=gone),
        ]
        expected = {key: b"2", f"{key}-2": b"2"}
        if store.capabilities.conditional_transactions:
            await store.transact(changes)
        else:
            expected = {key: b"1", f"{key}-3": b"1"}
            with pytest.raises(StoreError):
                await store.transact(changes)
        found = await store.get([change.key for change in changes])
        assert {name: item.value for name, item in found.items()} == expected

    async def test_first_writes_lose_no_update(self, store: StateStore, key: str) -> None:
        await store.write([Upsert(key, b"0")])
        await asyncio.gather(*(_increment(store, key) for _ in range(8)))
        assert await _value(store, key) == 8


async def _written(store: StateStore, change: Upsert) -> str:
    await store.write([change])
    return (await store.get([change.key]))[change.key].etag


async def _value(store: StateStore, key: str) -> Any:
    return json.loads((await store.get([key]))[key].value)


async def _until_gone(store: StateStore, key: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while await store.get([key]):  # noqa: ASYNC110 - a store tells nobody when a value expires
            await asyncio.sleep(0.05)


async def _increment(store: StateStore, key: str) -> None:
    while True:
        item = (await store.get([key]))[key]
        try:
            await store.write([Upsert(key, str(int(item.value) + 1).encode(), etag=item.etag)])
        except ConflictError:
            continue
        return
