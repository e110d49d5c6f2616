"""Of those who have the same message only one handles it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from pillion.errors import ConflictError, StoreError
from pillion.ports.store import Change, StateStore, Upsert
from pillion.resilience.inbox import Busy, Claim, Inbox, LeaseOver
from pillion.resilience.newcomers import Newcomers
from pillion.resilience.record import Record
from pillion.stores.memory import MemoryStateStore
from pillion.stores.sqlite import SQLiteStateStore
from pillion.testing.clock import FakeClock
from tests.resilience.inboxes import KEY, OUTGOING, CountingStore, DoubtfulStore, claim_of, inbox_of, record_of


async def test_of_concurrent_duplicates_one_gets_the_claim(store: StateStore, clock: FakeClock) -> None:
    inboxes = [inbox_of(store, clock, f"{number}/1") for number in range(5)] * 10
    begun = await asyncio.gather(*(inbox.begin(KEY) for inbox in inboxes), return_exceptions=True)
    assert sorted(type(result).__name__ for result in begun) == ["Busy"] * 49 + ["Claim"]


async def test_of_concurrent_takeovers_one_gets_the_claim(clock: FakeClock) -> None:
    store = CountingStore(clock)
    await claim_of(inbox_of(store, clock))
    await clock.advance(30)
    inboxes = [inbox_of(store, clock, f"{number}/1") for number in range(50)]
    begun = await asyncio.gather(*(inbox.begin(KEY) for inbox in inboxes), return_exceptions=True)
    assert sorted(type(result).__name__ for result in begun) == ["Busy"] * 49 + ["Claim"]


async def test_two_processes_on_one_file_have_one_claim(tmp_path: Path, clock: FakeClock) -> None:
    stores = [SQLiteStateStore(tmp_path / "state.db", clock=clock) for _ in range(2)]
    for store in stores:
        await store.start()
    inboxes = [inbox_of(store, clock, f"{number}/1") for number, store in enumerate(stores)]
    for number in range(50):
        key = f"{KEY}{number}"
        begun = await asyncio.gather(*(inbox.begin(key) for inbox in inboxes), return_exceptions=True)
        assert sorted(type(result).__name__ for result in begun) == ["Busy", "Claim"]
    for store in stores:
        await store.close()


async def test_a_claim_of_another_is_respected_until_it_ends(store: StateStore, inbox: Inbox, clock: FakeClock) -> None:
    await claim_of(inbox)
    with pytest.raises(Busy) as busy:
        await inbox_of(store, clock, "b/1").begin(KEY)
    assert busy.value.until == clock.now() + 30
    with pytest.raises(Busy):
        await inbox.begin(KEY)
    await clock.advance(30)
    await claim_of(inbox_of(store, clock, "b/1"))


async def test_after_a_restart_the_own_claim_is_free(store: StateStore, inbox: Inbox, clock: FakeClock) -> None:
    await claim_of(inbox)
    await claim_of(inbox_of(store, clock, "a/2"))


async def test_a_released_claim_is_free(store: StateStore, inbox: Inbox, clock: FakeClock) -> None:
    await inbox.release(await claim_of(inbox))
    await claim_of(inbox_of(store, clock, "b/1"))


async def test_a_claim_that_ended_releases_nothing(store: StateStore, inbox: Inbox, clock: FakeClock) -> None:
    claim = await claim_of(inbox)
    await clock.advance(30)
    await claim_of(inbox_of(store, clock, "b/1"))
    await inbox.release(claim)
    with pytest.raises(Busy):
        await inbox.begin(KEY)


async def test_a_claim_that_ended_commits_nothing(store: StateStore, inbox: Inbox, clock: FakeClock) -> None:
    claim = await claim_of(inbox)
    await clock.advance(31)
    with pytest.raises(LeaseOver, match=r"handling took 31.0 s, longer than its claim of 30 s"):
        await inbox.commit(claim, [Upsert("order", b"1")], [], None)
    assert await store.get(["order"]) == {}


async def test_two_who_both_hold_the_claim_commit_once(store: StateStore, inbox: Inbox, clock: FakeClock) -> None:
    claim = await claim_of(inbox)
    other = inbox_of(store, clock, "a/2")  # of the same place: it takes the first for dead, wrongly
    await other.commit(await claim_of(other), [Upsert("order", b"2")], [], None)
    with pytest.raises(ConflictError):
        await inbox.commit(claim, [Upsert("order", b"1")], [], None)
    assert (await store.get(["order"]))["order"].value == b"2"


class CrossingStore(MemoryStateStore):
    """After the next write, something else is written."""

    crossing: Upsert | None = None

    async def write(self, changes: Sequence[Change]) -> None:
        await super().write(changes)
        if self.crossing is not None:
            await super().write([self.crossing])


async def test_a_record_that_comes_during_a_takeover_is_seen(clock: FakeClock) -> None:
    store = CrossingStore(clock)
    claim = await claim_of(inbox_of(store, clock))
    await clock.advance(30)
    record = Record.of(f"pillion:inbox:{claim.name}:done", clock.now() + 3600, OUTGOING, None)
    store.crossing = Upsert(record.key, record.encode())
    assert (await record_of(inbox_of(store, clock, "b/1"))).outgoing == OUTGOING


async def test_a_claim_that_was_written_although_the_store_failed_is_taken_over(clock: FakeClock) -> None:
    store = DoubtfulStore(clock)
    inbox = inbox_of(store, clock)
    store.doubtful = True
    with pytest.raises(StoreError, match="no answer"):
        await inbox.begin(KEY)
    store.doubtful = False
    assert isinstance(await inbox.begin(KEY), Claim)


async def test_claims_that_fail_together_are_tried_one_by_one(clock: FakeClock) -> None:
    class Hasty(CountingStore):
        async def transact(self, changes: Sequence[Change]) -> None:
            await super().transact(changes)
            raise StoreError("no answer")

    inbox = inbox_of(Hasty(clock), clock)
    begun = await asyncio.gather(*(inbox.begin(f"{KEY}{number}") for number in range(3)))
    assert all(isinstance(claim, Claim) for claim in begun)


async def test_messages_that_come_together_are_claimed_with_one_operation(clock: FakeClock) -> None:
    store = CountingStore(clock)
    inbox = inbox_of(store, clock)
    await asyncio.gather(*(inbox.begin(f"{KEY}{number}") for number in range(3)))
    assert store.operations == ["transact 3"]


async def test_of_those_that_come_together_only_the_taken_is_refused(clock: FakeClock) -> None:
    store = MemoryStateStore(clock)
    await claim_of(inbox_of(store, clock, "b/1"), f"{KEY}1")
    inbox = inbox_of(store, clock)
    begun = await asyncio.gather(*(inbox.begin(f"{KEY}{number}") for number in range(3)), return_exceptions=True)
    assert [type(outcome) for outcome in begun] == [Claim, Busy, Claim]


async def test_who_is_alone_looks_and_claims_nothing(clock: FakeClock) -> None:
    store = CountingStore(clock)
    inbox = Inbox(store, clock, window=3600, lease=30, owner="a/1", alone=lambda: True)
    claims = [claim_of(inbox, f"{KEY}{number}") for number in range(3)]
    claim, *_ = await asyncio.gather(*claims)
    assert store.operations == ["get"]
    await inbox.commit(claim, [], OUTGOING, None)
    assert (await record_of(inbox, f"{KEY}0")).outgoing == OUTGOING


def alone_with(store: StateStore, clock: FakeClock) -> Inbox:
    """Where all messages are newcomers the first time."""
    newcomers = Newcomers(lambda id_: int(id_.rpartition("|")[2]))
    return Inbox(store, clock, window=3600, lease=30, owner="a/1", alone=lambda: True, newcomers=newcomers)


async def test_who_is_alone_does_not_look_for_newcomers(clock: FakeClock) -> None:
    store = CountingStore(clock)
    inbox = alone_with(store, clock)
    claim = await claim_of(inbox)
    assert store.operations == []
    await inbox.commit(claim, [], OUTGOING, None)
    assert (await record_of(inbox)).outgoing == OUTGOING


async def test_a_newcomer_that_another_handled_all_the_same_is_found_out(clock: FakeClock) -> None:
    store = MemoryStateStore(clock)
    another = inbox_of(store, clock, "b/1")
    await another.commit(await claim_of(another), [], OUTGOING, None)
    inbox = alone_with(store, clock)
    claim = await claim_of(inbox)
    with pytest.raises(ConflictError):
        await inbox.commit(claim, [], [], None)
    await inbox.release(claim)
    assert (await record_of(inbox)).outgoing == OUTGOING
