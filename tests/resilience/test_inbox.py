"""The inbox lets the effects of a message happen once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio
from msgspec import Raw

from pillion.errors import ConfigurationError, ConflictError, StoreError
from pillion.message import Message
from pillion.ports.bridge import Outgoing
from pillion.ports.store import Change, StateCapabilities, StateItem, StateStore, Upsert
from pillion.resilience.inbox import Busy, Claim, Inbox, LeaseOver
from pillion.resilience.record import Answer, Record
from pillion.stores.memory import MemoryStateStore
from pillion.stores.sqlite import SQLiteStateStore
from pillion.testing.clock import FakeClock

KEY = "orders.v1.refund|/shop/payments.v1|1"
CHARGED = Message(
    id="2",
    source="/shop/orders.v1",
    type="orders.v1.refunded",
    specversion="1.0",
    data=Raw(b'{"amount":1.10}'),
    extensions={"vendor": "x"},
)
OUTGOING = [Outgoing("orders.v1.refunded", CHARGED, "other", 1_900_000_000.5), Outgoing("b", CHARGED)]


def inbox_of(store: StateStore, clock: FakeClock, owner: str = "a/1") -> Inbox:
    return Inbox(store, clock, window=3600, lease=30, owner=owner)


class DoubtfulStore(MemoryStateStore):
    """Writes, and, while it is doubtful, says that it did not."""

    doubtful = False

    async def write(self, changes: Sequence[Change]) -> None:
        await super().write(changes)
        if self.doubtful:
            raise StoreError("no answer")


@pytest_asyncio.fixture
async def inbox(store: StateStore, clock: FakeClock) -> AsyncIterator[Inbox]:
    inbox = inbox_of(store, clock)
    yield inbox
    await inbox.close()


async def claim_of(inbox: Inbox, key: str = KEY) -> Claim:
    claim = await inbox.begin(key)
    assert isinstance(claim, Claim)
    return claim


async def record_of(inbox: Inbox, key: str = KEY) -> Record:
    record = await inbox.begin(key)
    assert isinstance(record, Record)
    return record


class CountingStore(MemoryStateStore):
    """Counts its operations, and takes turns as a real store does."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.operations: list[str] = []

    async def get(self, keys: Sequence[str]) -> dict[str, StateItem]:
        self.operations.append("get")
        await asyncio.sleep(0)
        return await super().get(keys)

    async def write(self, changes: Sequence[Change]) -> None:
        self.operations.append(f"write {len(changes)}")
        await asyncio.sleep(0)
        await super().write(changes)

    async def transact(self, changes: Sequence[Change]) -> None:
        self.operations.append(f"transact {len(changes)}")
        await asyncio.sleep(0)
        await super().transact(changes)


async def test_the_happy_path_is_two_operations(clock: FakeClock) -> None:
    store = CountingStore(clock)
    inbox = inbox_of(store, clock)
    await inbox.commit(await claim_of(inbox), [Upsert("order", b"1")], [], None)
    assert store.operations == ["write 1", "transact 2"]


async def test_what_was_handled_is_known(inbox: Inbox, store: StateStore) -> None:
    answer = Answer(data=b'{"total":1.10}', content_type="application/json")
    await inbox.commit(await claim_of(inbox), [Upsert("order", b'"refunded"')], OUTGOING, answer)
    record = await record_of(inbox)
    assert (record.outgoing, record.answer, record.sent) == (OUTGOING, answer, False)
    assert (await store.get(["order"]))["order"].value == b'"refunded"'


async def test_one_message_is_no_other(inbox: Inbox) -> None:
    await inbox.commit(await claim_of(inbox), [], [], None)
    assert isinstance(await inbox.begin(f"{KEY}0"), Claim)


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


async def test_a_conflict_of_the_handlers_changes_writes_no_record(inbox: Inbox) -> None:
    claim = await claim_of(inbox)
    with pytest.raises(ConflictError):
        await inbox.commit(claim, [Upsert("order", b"1", etag="nonsense")], [], None)
    await inbox.release(claim)
    await claim_of(inbox)


class LateStore(MemoryStateStore):
    """Writes, and reports a timeout."""

    async def transact(self, changes: Sequence[Change]) -> None:
        await super().transact(changes)
        raise StoreError("timed out")


async def test_a_commit_that_reports_a_timeout_is_found(clock: FakeClock) -> None:
    inbox = inbox_of(LateStore(clock), clock)
    claim = await claim_of(inbox)
    with pytest.raises(StoreError, match="timed out"):
        await inbox.commit(claim, [], OUTGOING, None)
    await inbox.release(claim)
    assert (await record_of(inbox)).outgoing == OUTGOING


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
    record = Record.of(f"{claim.key}:done", clock.now() + 3600, OUTGOING, None)
    store.crossing = Upsert(record.key, record.encode())
    assert (await record_of(inbox_of(store, clock, "b/1"))).outgoing == OUTGOING


async def test_messages_that_have_left_are_forgotten(inbox: Inbox, store: StateStore, clock: FakeClock) -> None:
    inbox.sent(await inbox.commit(await claim_of(inbox), [], OUTGOING, Answer(data=b"1")))
    await inbox.close()
    record = await record_of(inbox_of(store, clock))
    assert (record.sent, record.outgoing, record.answer) == (True, [], Answer(data=b"1"))


async def test_a_message_that_caused_none_needs_no_mark(inbox: Inbox) -> None:
    record = await inbox.commit(await claim_of(inbox), [], [], None)
    assert record.sent
    inbox.sent(record)
    assert (await record_of(inbox)).sent


async def test_marks_leave_together(clock: FakeClock) -> None:
    store = CountingStore(clock)
    inbox = inbox_of(store, clock)
    records = [await inbox.commit(await claim_of(inbox, str(number)), [], OUTGOING, None) for number in range(20)]
    store.operations.clear()
    for record in records:
        inbox.sent(record)
    await inbox.close()
    assert store.operations == ["write 20"]


async def test_marks_are_written_without_anybody_waiting(clock: FakeClock) -> None:
    store = CountingStore(clock)
    inbox = inbox_of(store, clock)
    inbox.sent(await inbox.commit(await claim_of(inbox), [], OUTGOING, None))
    async with asyncio.timeout(5):
        while not (await record_of(inbox)).sent:  # noqa: ASYNC110 - the store tells nobody
            await asyncio.sleep(0.01)


async def test_after_the_window_the_message_is_new(inbox: Inbox, clock: FakeClock) -> None:
    inbox.sent(await inbox.commit(await claim_of(inbox), [], OUTGOING, None))
    await inbox.close()
    await clock.advance(3599)
    await record_of(inbox)
    await clock.advance(100)
    await claim_of(inbox)


async def test_a_record_is_found_as_long_as_it_lives(inbox: Inbox, clock: FakeClock) -> None:
    claim = await claim_of(inbox)
    await clock.advance(29)
    await inbox.commit(claim, [], [], None)
    await clock.advance(3599)
    await record_of(inbox)


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


async def test_something_else_under_the_key_is_named(inbox: Inbox, store: StateStore) -> None:
    claim = await claim_of(inbox)
    await inbox.release(claim)
    await store.write([Upsert(claim.key, b'"something else"')])
    with pytest.raises(StoreError, match=f"{claim.key!r} holds something that pillion did not write"):
        await inbox.begin(KEY)


@pytest.mark.parametrize(
    ("capabilities", "text"),
    [
        (StateCapabilities(etags=False), "'orders-state' has no ETags"),
        (StateCapabilities(transactions=False, ttl=False), "'orders-state' has no transactions and no TTL"),
    ],
)
def test_a_store_that_cannot_do_it_is_refused(capabilities: StateCapabilities, text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        Inbox.check(capabilities, "orders-state")


def test_a_store_that_rolls_nothing_back_is_not_refused() -> None:
    Inbox.check(StateCapabilities(conditional_transactions=False), "orders-state")


class RedisLikeStore(MemoryStateStore):
    """Refuses conditions in transactions."""

    capabilities = StateCapabilities(conditional_transactions=False)

    async def transact(self, changes: Sequence[Change]) -> None:
        if any(change.conditional for change in changes):
            raise StoreError("does not roll back")
        await super().transact(changes)


async def test_it_works_without_conditional_transactions(clock: FakeClock) -> None:
    inbox = inbox_of(RedisLikeStore(clock), clock)
    await inbox.commit(await claim_of(inbox), [Upsert("order", b"1")], OUTGOING, None)
    assert (await record_of(inbox)).outgoing == OUTGOING


@pytest.mark.parametrize(
    "reply",
    [
        Message(id="r", source="/s", type="t", specversion="1.0", datacontenttype="application/json", data=Raw(b"[1]")),
        Message(id="r", source="/s", type="t", specversion="1.0", data_base64="/w=="),
        Message(id="r", source="/s", type="t", specversion="1.0"),
        Message(
            id="r",
            source="/s",
            type="t",
            specversion="1.0",
            data=Raw(b"{}"),
            failure_code="card_declined",
            failure_status=402,
            failure_title="No",
        ),
    ],
)
async def test_the_first_answer_is_given_again(inbox: Inbox, reply: Message) -> None:
    await inbox.commit(await claim_of(inbox), [], [], Answer.of(reply))
    answer = (await record_of(inbox)).answer
    assert answer is not None
    again = answer.put_in(Message(id="r", source="/s", type="t", specversion="1.0", data=Raw(b"0")))
    assert again == reply
