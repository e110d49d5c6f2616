"""The shelf gives back what is due, once, in order, whatever happened to the process that parked it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest
from msgspec.structs import replace

from pillion.ports.bridge import Outgoing
from pillion.ports.store import StateItem, StateStore
from pillion.resilience.shelf import Shelf
from pillion.stores.memory import MemoryStateStore
from pillion.testing.clock import FakeClock
from tests.resilience.shelves import REFUND, ids, message


@pytest.fixture
def shelf(store: StateStore, clock: FakeClock) -> Shelf:
    return Shelf(store, "orders.v1", clock)


async def test_what_is_parked_comes_back_when_due(shelf: Shelf, clock: FakeClock) -> None:
    await shelf.park(message(), REFUND, clock.now() + 10, 4, "card declined")
    assert await shelf.due() == []
    await clock.advance(10)
    (taken,) = await shelf.due()
    assert taken.message == replace(message(), attempt=4)
    assert (taken.parked.address, taken.parked.attempt, taken.parked.reason) == (REFUND, 4, "card declined")


async def test_it_survives_the_process(store: StateStore, clock: FakeClock) -> None:
    await Shelf(store, "orders.v1", clock).park(message(), REFUND, clock.now(), 2, "")
    assert ids(await Shelf(store, "orders.v1", clock).due()) == ["1"]


async def test_services_have_shelves_of_their_own(store: StateStore, shelf: Shelf, clock: FakeClock) -> None:
    await shelf.park(message(), REFUND, clock.now(), 2, "")
    assert await Shelf(store, "payments.v1", clock).due() == []


async def test_what_is_taken_is_nobody_elses(store: StateStore, clock: FakeClock) -> None:
    shelves = [Shelf(store, "orders.v1", clock) for _ in range(5)]
    for number in range(20):
        await shelves[0].park(message(str(number)), REFUND, clock.now(), 2, "")
    taken = await asyncio.gather(*(shelf.due() for shelf in shelves))
    assert sorted(int(id_) for part in taken for id_ in ids(part)) == list(range(20))


async def test_a_lease_that_is_over_is_taken_again(store: StateStore, shelf: Shelf, clock: FakeClock) -> None:
    other = Shelf(store, "orders.v1", clock)
    await shelf.park(message(), REFUND, clock.now(), 2, "")
    await shelf.due()
    await clock.advance(59)
    assert await other.due() == []
    assert other.next_due() == clock.now() + 1
    await clock.advance(1)
    assert ids(await other.due()) == ["1"]


async def test_what_an_earlier_boot_of_this_instance_had_is_free(store: StateStore, clock: FakeClock) -> None:
    before, after, other = (Shelf(store, "orders.v1", clock, owner=owner) for owner in ("a/1", "a/2", "b/1"))
    await before.park(message(), REFUND, clock.now(), 2, "")
    assert ids(await before.due()) == ["1"]
    assert await before.due() == []
    assert await other.due() == []
    assert ids(await after.due()) == ["1"]
    assert await other.due() == []


async def test_what_is_done_is_gone(shelf: Shelf, clock: FakeClock) -> None:
    await shelf.park(message(), REFUND, clock.now(), 2, "")
    (taken,) = await shelf.due()
    await shelf.forget(taken)
    await clock.advance(1000)
    assert await shelf.due() == []
    assert shelf.next_due() is None


async def test_again_comes_later_with_the_next_attempt(shelf: Shelf, clock: FakeClock) -> None:
    await shelf.park(message(), REFUND, clock.now(), 2, "first")
    (taken,) = await shelf.due()
    await shelf.again(taken.id, clock.now() + 5, 3, "second")
    assert await shelf.due() == []
    await clock.advance(5)
    (taken,) = await shelf.due()
    assert (taken.message.attempt, taken.parked.reason) == (3, "second")


async def test_the_oldest_come_first_and_not_too_many(shelf: Shelf, clock: FakeClock) -> None:
    for number in (3, 1, 4, 2, 5):
        await shelf.park(message(str(number)), REFUND, clock.now() + number, 2, "")
    await clock.advance(10)
    assert ids(await shelf.due(limit=3)) == ["1", "2", "3"]
    assert ids(await shelf.due(limit=3)) == ["4", "5"]


async def test_one_message_for_two_handlers_is_two_entries(shelf: Shelf, clock: FakeClock) -> None:
    for address in (REFUND, REFUND, "orders.v1.notify"):
        await shelf.park(message(), address, clock.now(), 2, "")
    assert sorted(entry.parked.address for entry in await shelf.due()) == ["orders.v1.notify", REFUND]


async def test_what_is_posted_comes_back_as_it_was(shelf: Shelf, clock: FakeClock) -> None:
    await shelf.post(Outgoing("payments.v1.charged", message(), "other"), clock.now() + 5)
    await clock.advance(5)
    (taken,) = await shelf.due()
    assert (taken.parked.topic, taken.parked.component, taken.message) == ("payments.v1.charged", "other", message())
    assert not taken.parked.address


async def test_one_message_for_two_topics_is_two_entries(shelf: Shelf, clock: FakeClock) -> None:
    for topic in ("a", "b"):
        await shelf.post(Outgoing(topic, message()), clock.now())
    assert len(await shelf.due()) == 2


async def test_of_one_key_only_the_first_is_taken(shelf: Shelf, clock: FakeClock) -> None:
    await shelf.park(message("1"), REFUND, clock.now() + 10, 2, "", key="k")
    await shelf.park(message("2"), REFUND, clock.now(), 1, "", key="k")
    await shelf.park(message("3"), REFUND, clock.now(), 1, "", key="other")
    assert ids(await shelf.due()) == ["3"]
    await clock.advance(10)
    (first,) = await shelf.due()
    assert first.message.id == "1"
    assert await shelf.due() == []
    await shelf.again(first.id, clock.now() + 20, 3, "")
    assert await shelf.due() == []
    await clock.advance(20)
    assert ids(await shelf.due()) == ["1"]
    await shelf.forget(first)
    assert ids(await shelf.due()) == ["2"]


async def test_parked_twice_keeps_its_place(shelf: Shelf, clock: FakeClock) -> None:
    for id_ in ("1", "2", "1"):
        await shelf.park(message(id_), REFUND, clock.now(), 2, "", key="k")
    assert ids(await shelf.due()) == ["1"]


async def test_parked_twice_keeps_its_attempts_and_its_time(shelf: Shelf, clock: FakeClock) -> None:
    await shelf.park(message(), REFUND, clock.now() + 10, 3, "", key="k")
    await shelf.park(message(), REFUND, 0.0, 1, "", key="k")
    assert await shelf.due() == []
    await clock.advance(10)
    (taken,) = await shelf.due()
    assert taken.message.attempt == 3


async def test_what_is_let_go_is_taken_again_when_its_lease_is_over(shelf: Shelf, clock: FakeClock) -> None:
    await shelf.park(message(), REFUND, clock.now(), 2, "")
    (taken,) = await shelf.due()
    shelf.let_go(taken.id)
    assert await shelf.due() == []
    await clock.advance(60)
    assert ids(await shelf.due()) == ["1"]


async def test_the_next_of_a_key_is_told_of_when_the_first_is_done(shelf: Shelf, clock: FakeClock) -> None:
    for id_ in ("1", "2"):
        await shelf.park(message(id_), REFUND, clock.now(), 2, "", key="k")
    (taken,) = await shelf.due()
    shelf.changed.clear()
    await shelf.forget(taken)
    assert shelf.changed.is_set()
    assert ids(await shelf.due()) == ["2"]


async def test_who_waits_is_known(store: StateStore, shelf: Shelf, clock: FakeClock) -> None:
    other = Shelf(store, "orders.v1", clock)
    await shelf.park(message(), REFUND, clock.now(), 2, "", key="k")
    assert shelf.waiting(REFUND, "k")
    assert not shelf.waiting(REFUND, "other")
    assert not shelf.waiting("orders.v1.notify", "k")
    assert not other.waiting(REFUND, "k")
    (taken,) = await other.due()
    assert other.waiting(REFUND, "k")
    await other.forget(taken)
    assert not other.waiting(REFUND, "k")
    await shelf.due()
    assert not shelf.waiting(REFUND, "k")


class CountingStore(MemoryStateStore):
    """Counts the looks at a shelf."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.looks = 0

    async def get(self, keys: Sequence[str]) -> dict[str, StateItem]:
        self.looks += len(keys) > 1
        await asyncio.sleep(0)
        return await super().get(keys)


async def test_what_another_parked_is_found_by_the_first_message_of_its_key(
    store: StateStore, shelf: Shelf, clock: FakeClock
) -> None:
    other = Shelf(store, "orders.v1", clock)
    assert not await other.waits(REFUND, "another")
    await shelf.park(message(), REFUND, clock.now() + 60, 2, "", key="k")
    assert await other.waits(REFUND, "k")


async def test_a_key_that_was_away_for_a_moment_is_looked_for_again(
    store: StateStore, shelf: Shelf, clock: FakeClock
) -> None:
    other = Shelf(store, "orders.v1", clock)
    assert not await other.waits(REFUND, "k")
    await shelf.park(message(), REFUND, clock.now() + 60, 2, "", key="k")
    await clock.advance(2)
    assert await other.waits(REFUND, "k")


async def test_new_keys_that_come_together_share_a_look(clock: FakeClock) -> None:
    store = CountingStore(clock)
    shelf = Shelf(store, "orders.v1", clock)
    await asyncio.gather(*(shelf.waits(REFUND, str(key)) for key in range(100)))
    assert store.looks == 1


async def test_a_key_that_comes_all_the_time_costs_one_look(clock: FakeClock) -> None:
    store = CountingStore(clock)
    shelf = Shelf(store, "orders.v1", clock)
    for _ in range(10):
        await shelf.waits(REFUND, "k")
        await clock.advance(0.9)
    assert store.looks == 1


async def test_who_is_alone_looks_once_and_again_when_another_has_been_there(clock: FakeClock) -> None:
    store, others = CountingStore(clock), list[str]()
    shelf = Shelf(store, "orders.v1", clock, alone=lambda: not others)
    for key in "abc":
        await shelf.waits(REFUND, key)
    assert store.looks == 1
    others.append("another")
    await shelf.waits(REFUND, "d")
    await Shelf(store, "orders.v1", clock).park(message(), REFUND, clock.now() + 60, 2, "", key="a")
    others.clear()
    assert await shelf.waits(REFUND, "a")


async def test_what_is_parked_by_a_slow_clock_comes_after_what_was_there(
    store: StateStore, shelf: Shelf, clock: FakeClock
) -> None:
    await shelf.park(message("1"), REFUND, clock.now() + 10, 2, "", key="k")
    slow = Shelf(store, "orders.v1", FakeClock(clock.now() - 60))
    assert await slow.waits(REFUND, "k")
    await slow.park(message("2"), REFUND, 0.0, 1, "", key="k")
    await clock.advance(10)
    assert ids(await shelf.due()) == ["1"]


async def test_next_due_is_the_next_of_those_known(shelf: Shelf, clock: FakeClock) -> None:
    assert shelf.next_due() is None
    await shelf.park(message("1"), REFUND, clock.now() + 30, 2, "")
    await shelf.park(message("2"), REFUND, clock.now() + 20, 2, "")
    assert shelf.next_due() == clock.now() + 20


class InterruptedStore(MemoryStateStore):
    """Something happens after an answer was read and before it arrives."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.interrupted: Callable[[], asyncio.Future[None] | None] = lambda: None

    async def get(self, keys: Sequence[str]) -> dict[str, StateItem]:
        found = await super().get(keys)
        if len(keys) > 1 and (waiting := self.interrupted()):
            await waiting
        return found


async def test_what_is_parked_during_a_look_is_known_after_it(clock: FakeClock) -> None:
    store = InterruptedStore(clock)
    shelf = Shelf(store, "orders.v1", clock)
    gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    store.interrupted = lambda: gate
    look = asyncio.create_task(shelf.due())
    await asyncio.sleep(0)
    await shelf.park(message(), REFUND, clock.now() + 60, 2, "", key="k")
    gate.set_result(None)
    assert await look == []
    assert shelf.waiting(REFUND, "k")


async def test_of_each_handler_as_many_are_taken_as_there_is_room_for(shelf: Shelf, clock: FakeClock) -> None:
    rooms = {"orders.v1.slow": 1, "orders.v1.full": 0, REFUND: 100}
    for id_, address in enumerate([*["orders.v1.full"] * 3, *["orders.v1.slow"] * 3, REFUND, REFUND]):
        await shelf.park(message(str(id_)), address, clock.now(), 1, "")
    assert ids(await shelf.due(rooms.__getitem__)) == ["3", "6", "7"]
    assert shelf.next_due({**rooms, "orders.v1.slow": 0}.__getitem__) is None
    assert shelf.next_due(rooms.__getitem__) == clock.now()
