"""Dead letters can be found, read, dropped, and handled after all by the one handler that failed."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime

import pytest
from msgspec import Raw
from msgspec.structs import replace

from pillion.errors import Failure, StoreError
from pillion.message import Message
from pillion.ports.store import StateStore
from pillion.resilience.deadletter import dead_letter, malformed, opened, sealed
from pillion.resilience.letters import Letters
from pillion.resilience.shelf import Shelf
from pillion.testing.clock import FakeClock

REFUND = "orders.v1.refund"


class CardDeclined(Failure):
    """The card was declined."""

    status = 402


def original(id_: str = "1") -> Message:
    return Message(
        id=id_,
        source="/shop/payments.v1",
        type="payments.v1.charged",
        specversion="1.0",
        correlation_id="c-1",
        topic="payments.v1.charged",
        data=Raw(b'{"amount":1.10}'),
        extensions={"vendor": "x"},
    )


def dead(id_: str = "1", address: str = REFUND, cause: Exception | None = None) -> Message:
    return dead_letter(replace(original(id_), attempt=5), address, "The card was declined", cause or CardDeclined())


@pytest.fixture
def letters(store: StateStore, clock: FakeClock) -> Letters:
    return Letters(store, "orders.v1", clock)


@pytest.fixture
def shelf(store: StateStore, clock: FakeClock) -> Shelf:
    return Shelf(store, "orders.v1", clock)


async def test_a_letter_tells_what_happened(letters: Letters, clock: FakeClock) -> None:
    await letters.keep(dead())
    (letter,) = await letters.list()
    assert (letter.message_id, letter.type, letter.topic) == ("1", "payments.v1.charged", "payments.v1.charged")
    assert (letter.subscriber, letter.failure, letter.title) == (REFUND, "card_declined", "The card was declined")
    assert (letter.attempts, letter.kept, letter.correlation_id) == (5, clock.now(), "c-1")


async def test_a_letter_is_shown_as_it_came(letters: Letters) -> None:
    await letters.keep(dead())
    (letter,) = await letters.list()
    assert await letters.show(letter.id) == dead()
    assert await letters.show("nothing") is None


async def test_the_same_letter_twice_is_one(letters: Letters) -> None:
    await letters.keep(dead())
    await letters.keep(dead())
    await letters.keep(dead(address="orders.v1.notify"))
    assert len(await letters.list()) == 2


async def test_letters_are_listed_by_time(letters: Letters, clock: FakeClock) -> None:
    for id_ in "cab":
        await letters.keep(dead(id_))
        await clock.advance(1)
    assert [letter.message_id for letter in await letters.list()] == ["c", "a", "b"]


async def test_letters_are_filtered(letters: Letters, clock: FakeClock) -> None:
    await letters.keep(dead("1"))
    await clock.advance(10)
    await letters.keep(dead("2", "orders.v1.notify"))
    await letters.keep(dead("3", REFUND, ValueError("x")))
    now = clock.now()
    found = {
        "subscriber": await letters.list(subscriber=REFUND),
        "failure": await letters.list(failure="card_declined"),
        "old": await letters.list(older_than=now - 5),
        "new": await letters.list(newer_than=now - 5),
        "both": await letters.list(subscriber=REFUND, failure="ValueError"),
    }
    assert {name: {letter.message_id for letter in part} for name, part in found.items()} == {
        "subscriber": {"1", "3"},
        "failure": {"1", "2"},
        "old": {"1"},
        "new": {"2", "3"},
        "both": {"3"},
    }


async def test_what_is_dropped_is_gone(letters: Letters) -> None:
    await letters.keep(dead())
    (letter,) = await letters.list()
    await letters.drop([letter.id, "nothing"])
    assert list(await letters.list()) == []
    assert await letters.show(letter.id) is None


async def test_a_replay_goes_to_the_handler_that_failed(letters: Letters, shelf: Shelf, clock: FakeClock) -> None:
    await letters.keep(dead())
    failed = datetime.fromtimestamp(clock.now(), UTC)
    await clock.advance(60)
    await letters.replay([letter.id for letter in await letters.list()], shelf)
    (taken,) = await shelf.due()
    assert taken.parked.address == REFUND
    assert taken.message == replace(original(), attempt=1, first_failed=failed, replays=1)
    assert list(await letters.list()) == []


async def test_replays_are_counted_from_the_first_failure(letters: Letters, shelf: Shelf, clock: FakeClock) -> None:
    await letters.keep(dead())
    first = datetime.fromtimestamp(clock.now(), UTC)
    for _ in range(2):
        await clock.advance(60)
        await letters.replay([letter.id for letter in await letters.list()], shelf)
        (taken,) = await shelf.due()
        await shelf.done(taken.id)
        await letters.keep(dead_letter(taken.message, REFUND, "The card was declined", CardDeclined()))
    (letter,) = await letters.list()
    again = await letters.show(letter.id)
    assert again is not None
    assert (again.first_failed, again.replays) == (first, 2)


def test_a_letter_says_where_it_failed_in_code_of_the_service() -> None:
    error = failed_in_a_library()
    place = dead_letter(original(), REFUND, "no", error).failure_place
    assert place == f"{os.path.relpath(__file__)}:{error_line(error)}"


def test_what_no_code_of_the_service_raised_has_no_place() -> None:
    assert dead_letter(original(), REFUND, "no", CardDeclined()).failure_place is None


def failed_in_a_library() -> Exception:
    try:
        json.loads("no JSON")
    except ValueError as error:
        return error
    raise AssertionError


def error_line(error: Exception) -> int:
    assert error.__traceback__ is not None
    return error.__traceback__.tb_lineno


async def test_a_replay_has_all_the_time_again(letters: Letters, shelf: Shelf, clock: FakeClock) -> None:
    over = datetime.fromtimestamp(clock.now() - 1, UTC)
    await letters.keep(replace(dead(), deadline=over, expiration=over))
    await letters.replay([letter.id for letter in await letters.list()], shelf)
    (taken,) = await shelf.due()
    assert (taken.message.deadline, taken.message.expiration) == (None, None)


async def test_a_letter_without_subscriber_can_be_given_to_a_handler(letters: Letters, shelf: Shelf) -> None:
    await letters.keep(original())
    await letters.replay([letter.id for letter in await letters.list()], shelf, to=REFUND)
    (taken,) = await shelf.due()
    assert (taken.parked.address, taken.message.id, taken.message.attempt) == (REFUND, "1", 1)


async def test_a_letter_without_subscriber_is_not_replayed(letters: Letters, shelf: Shelf) -> None:
    await letters.keep(original())
    (letter,) = await letters.list()
    with pytest.raises(StoreError, match="does not say which handler failed"):
        await letters.replay([letter.id], shelf)
    assert len(await letters.list()) == 1


async def test_a_malformed_one_is_shown_and_dropped_but_not_replayed(letters: Letters, shelf: Shelf) -> None:
    letter = malformed(b"\xff", "payments.v1.charged", "no JSON", REFUND)
    await letters.keep(letter)
    (kept,) = await letters.list()
    assert await letters.show(kept.id) == letter
    with pytest.raises(StoreError, match="no CloudEvent, so no handler can take it"):
        await letters.replay([kept.id], shelf)
    await letters.drop([kept.id])
    assert list(await letters.list()) == []


async def test_a_replay_is_all_or_none(letters: Letters, shelf: Shelf) -> None:
    await letters.keep(dead())
    (letter,) = await letters.list()
    with pytest.raises(StoreError, match=r"orders\.v1 has no dead letter 'nothing'"):
        await letters.replay([letter.id, "nothing"], shelf)
    assert await shelf.due() == []
    assert len(await letters.list()) == 1


class QuickShelf(Shelf):
    """Its handler fails again as soon as something is parked."""

    def __init__(self, letters: Letters, clock: FakeClock, store: StateStore) -> None:
        super().__init__(store, "orders.v1", clock)
        self._letters, self._clock = letters, clock

    async def park(
        self, message: Message, address: str, due: float, attempt: int, reason: str, key: str | None = None
    ) -> str:
        parked = await super().park(message, address, due, attempt, reason, key)
        (taken,) = await self.due()
        await self._clock.advance(1)
        await self._letters.keep(dead_letter(taken.message, address, "again", None))
        await self.done(taken.id)
        return parked


async def test_what_fails_again_while_it_is_replayed_is_not_lost(
    letters: Letters, store: StateStore, clock: FakeClock
) -> None:
    await letters.keep(dead())
    (letter,) = await letters.list()
    await letters.replay([letter.id], QuickShelf(letters, clock, store))
    (again,) = await letters.list()
    assert (again.id, again.title) == (letter.id, "again")


def test_a_letter_travels_under_an_id_of_its_own_for_each_handler_and_replay() -> None:
    first, other, again = dead(), dead(address="audit.v1.note"), replace(dead(), replays=1)
    assert len({sealed(letter).id for letter in (first, other, again)}) == 3
    assert [opened(sealed(letter)) for letter in (first, other, again)] == [first, other, again]
