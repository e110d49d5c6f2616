"""The inbox lets the effects of a message happen once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from msgspec import Raw

from pillion.errors import ConfigurationError, ConflictError, StoreError
from pillion.message import Message
from pillion.ports.store import Change, StateCapabilities, StateStore, Upsert
from pillion.resilience.inbox import Claim, Inbox
from pillion.resilience.record import Answer
from pillion.stores.memory import MemoryStateStore
from pillion.testing.clock import FakeClock
from tests.resilience.inboxes import KEY, OUTGOING, CountingStore, claim_of, inbox_of, record_of


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
    async with asyncio.timeout(30):
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


async def test_something_else_under_the_key_is_named(inbox: Inbox, store: StateStore) -> None:
    claim = await claim_of(inbox)
    await inbox.release(claim)
    key = f"pillion:inbox:{claim.name}:claim"
    await store.write([Upsert(key, b'"something else"')])
    with pytest.raises(StoreError, match=f"{key!r} holds something that pillion did not write"):
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
