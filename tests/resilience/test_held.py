"""A held store reads its own writes and lets none of them reach the store."""

from __future__ import annotations

import pytest

from pillion.errors import ConflictError, StoreError
from pillion.ports.store import Change, Remove, StateCapabilities, StateStore, Upsert
from pillion.resilience.held import HeldStore
from pillion.stores.memory import MemoryStateStore


class PlainOnlyStore(MemoryStateStore):
    """As Redis behind Dapr."""

    capabilities = StateCapabilities(conditional_transactions=False)


async def etag_of(store: StateStore, key: str) -> str:
    return (await store.get([key]))[key].etag


async def values(store: StateStore, *keys: str) -> dict[str, bytes]:
    return {key: item.value for key, item in (await store.get(keys)).items()}


async def test_writes_are_seen_and_do_not_reach_the_store(store: StateStore) -> None:
    await store.write([Upsert("a", b"1"), Upsert("b", b"2")])
    held = HeldStore(store)
    await held.write([Upsert("a", b"10"), Remove("b"), Upsert("c", b"30")])
    assert await values(held, "a", "b", "c") == {"a": b"10", "c": b"30"}
    assert await values(store, "a", "b", "c") == {"a": b"1", "b": b"2"}


async def test_the_changes_are_what_the_store_is_to_do(store: StateStore) -> None:
    await store.write([Upsert("b", b"2")])
    held = HeldStore(store)
    await held.transact([Upsert("a", b"10", ttl=5), Remove("b")])
    await store.transact(held.changes())
    assert await values(store, "a", "b") == {"a": b"10"}


@pytest.mark.parametrize(
    ("changes", "merged"),
    [
        ([Upsert("k", b"1"), Upsert("k", b"2", ttl=9)], [Upsert("k", b"2", ttl=9)]),
        ([Upsert("k", b"1", etag="e"), Upsert("k", b"2")], [Upsert("k", b"2", etag="e")]),
        ([Upsert("k", b"1", first_write=True), Upsert("k", b"2")], [Upsert("k", b"2", first_write=True)]),
        ([Upsert("k", b"1", etag="e"), Remove("k")], [Remove("k", "e")]),
        ([Remove("k", "e"), Upsert("k", b"2")], [Upsert("k", b"2", etag="e")]),
        ([Remove("k"), Upsert("k", b"2", first_write=True)], [Upsert("k", b"2")]),
        ([Upsert("k", b"1"), Remove("k")], [Remove("k")]),
        ([Upsert("k", b"1", first_write=True), Remove("k")], []),
    ],
)
async def test_changes_of_one_key_become_one(changes: list[Change], merged: list[Change]) -> None:
    held = HeldStore(MemoryStateStore())
    for change in changes:
        await held.write([change])
    assert held.changes() == merged


async def test_the_etag_of_a_held_value_is_good_for_the_next_write(store: StateStore) -> None:
    held = HeldStore(store)
    await held.write([Upsert("k", b"1", first_write=True)])
    await held.write([Upsert("k", b"2", etag=await etag_of(held, "k"))])
    await held.write([Remove("k", await etag_of(held, "k"))])
    await held.write([Upsert("k", b"3", first_write=True)])
    assert held.changes() == [Upsert("k", b"3", first_write=True)]


async def test_an_etag_read_before_an_own_write_is_out_of_date(store: StateStore) -> None:
    await store.write([Upsert("k", b"1")])
    held = HeldStore(store)
    etag = await etag_of(held, "k")
    await held.write([Upsert("k", b"2")])
    with pytest.raises(ConflictError, match="written by this handler itself"):
        await held.write([Upsert("k", b"3", etag=etag)])


async def test_a_first_write_over_an_own_value_is_refused(store: StateStore) -> None:
    held = HeldStore(store)
    await held.write([Upsert("k", b"1")])
    with pytest.raises(ConflictError):
        await held.write([Upsert("k", b"2", first_write=True)])


async def test_of_a_refused_transaction_nothing_is_held(store: StateStore) -> None:
    held = HeldStore(store)
    await held.write([Upsert("k", b"1")])
    with pytest.raises(ConflictError):
        await held.transact([Upsert("other", b"1"), Upsert("k", b"2", first_write=True)])
    assert held.changes() == [Upsert("k", b"1")]


async def test_a_condition_that_does_not_fit_fails_in_the_end(store: StateStore) -> None:
    await store.write([Upsert("k", b"1")])
    held = HeldStore(store)
    await held.write([Upsert("k", b"2", etag=await etag_of(held, "k"))])
    await store.write([Upsert("k", b'"theirs"')])
    with pytest.raises(ConflictError):
        await store.transact(held.changes())


async def test_a_store_without_conditional_transactions_refuses_conditions_at_once() -> None:
    held = HeldStore(PlainOnlyStore())
    with pytest.raises(StoreError, match="write without etag= and first_write= in a once handler, or choose another"):
        await held.write([Upsert("k", b"1", first_write=True)])
    await held.write([Upsert("k", b"1")])
    assert held.changes() == [Upsert("k", b"1")]
