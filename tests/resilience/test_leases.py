"""Who has a message of the shelf in hand, and what becomes of it when they have it no more."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from pillion.errors import StoreError
from pillion.message import Message
from pillion.ports.bridge import Outgoing
from pillion.ports.store import Change, StateItem, StateStore
from pillion.resilience.shelf import Shelf
from pillion.stores.memory import MemoryStateStore
from pillion.testing.clock import FakeClock
from tests.resilience.shelves import REFUND, ids, message


@pytest.fixture
def shelf(store: StateStore, clock: FakeClock) -> Shelf:
    return Shelf(store, "orders.v1", clock)


async def test_what_is_in_hand_is_nobody_elses_for_as_long_as_that_is_said(store: StateStore, clock: FakeClock) -> None:
    mine = Shelf(store, "orders.v1", clock, lease=60, owner="a/1")
    other = Shelf(store, "orders.v1", clock, lease=60, owner="b/1")
    await mine.keep(message(), REFUND)
    for _ in range(4):
        await clock.advance(40)
        await mine.renew()
        assert (await mine.due(), await other.due()) == ([], [])
    await clock.advance(60)
    assert ids(await other.due()) == ["1"]


async def test_a_lease_that_another_has_is_not_renewed(store: StateStore, clock: FakeClock) -> None:
    mine = Shelf(store, "orders.v1", clock, lease=60, owner="a/1")
    other = Shelf(store, "orders.v1", clock, lease=60, owner="b/1")
    await mine.keep(message(), REFUND)
    await clock.advance(60)
    await other.due()
    await mine.renew()
    await clock.advance(60)
    assert ids(await other.due()) == []  # it is in hand there
    third = Shelf(store, "orders.v1", clock, owner="c/1")
    assert ids(await third.due()) == ["1"]


async def test_what_is_put_back_while_leases_are_renewed_is_not_held_on_to(store: StateStore, clock: FakeClock) -> None:
    shelf = Shelf(store, "orders.v1", clock, lease=60, owner="a/1")
    await shelf.park(message(), REFUND, clock.now(), 2, "")
    (taken,) = await shelf.due()
    await clock.advance(40)
    await asyncio.gather(shelf.again(taken.id, clock.now(), 3, ""), shelf.renew())
    assert ids(await shelf.due()) == ["1"]


async def test_what_was_put_there_again_is_not_forgotten(shelf: Shelf, clock: FakeClock) -> None:
    message = Message("1", "/x", "orders.v1.place", "1.0")
    await shelf.park(message, "orders.v1.place/recovery", clock.now(), 1, "in hand")
    (taken,) = await shelf.due()
    await shelf.park(message, "orders.v1.place/recovery", clock.now() + 10, 1, "in hand")
    await shelf.forget(taken)
    assert shelf.next_due() == clock.now() + 10
    await clock.advance(10)
    (again,) = await shelf.due()
    await shelf.forget(again)
    assert (await shelf.due(), shelf.next_due()) == ([], None)


async def test_what_another_put_there_again_is_not_forgotten(store: StateStore, clock: FakeClock) -> None:
    mine = Shelf(store, "orders.v1", clock, owner="a/1")
    await mine.park(message(), REFUND, clock.now(), 2, "")
    (taken,) = await mine.due()
    await Shelf(store, "orders.v1", clock).park(message(), REFUND, clock.now(), 1, "")
    await mine.forget(taken)
    assert ids(await mine.due()) == ["1"]


async def test_a_posting_that_was_put_there_again_while_it_left_is_not_forgotten(
    shelf: Shelf, clock: FakeClock
) -> None:
    await shelf.post(Outgoing("a", message()), clock.now())
    (taken,) = await shelf.due()
    await shelf.post(Outgoing("a", message()), clock.now())
    await shelf.forget(taken)
    assert ids(await shelf.due()) == ["1"]


async def test_what_took_longer_than_its_lease_is_forgotten(store: StateStore, clock: FakeClock) -> None:
    shelf = Shelf(store, "orders.v1", clock, lease=60, owner="a/1")
    await shelf.park(message(), REFUND, clock.now(), 2, "")
    (taken,) = await shelf.due()
    await clock.advance(40)
    await shelf.renew()
    await shelf.forget(taken)
    await clock.advance(100)
    assert (await shelf.due(), shelf.next_due()) == ([], None)


async def test_what_another_took_meanwhile_is_the_others_to_forget(store: StateStore, clock: FakeClock) -> None:
    mine, other = (Shelf(store, "orders.v1", clock, lease=60, owner=owner) for owner in ("a/1", "b/1"))
    await mine.park(message(), REFUND, clock.now(), 2, "")
    (taken,) = await mine.due()
    await clock.advance(60)
    (theirs,) = await other.due()
    await mine.forget(taken)
    await other.again(theirs.id, clock.now(), 3, "")
    assert ids(await other.due()) == ["1"]


async def test_who_takes_it_next_is_told_that_it_had_begun(store: StateStore, clock: FakeClock) -> None:
    gone, mine = (Shelf(store, "orders.v1", clock, lease=60, owner=owner) for owner in ("a/1", "b/1"))
    await gone.park(message(), REFUND, clock.now(), 2, "")
    (taken,) = await gone.due()
    assert not taken.parked.begun
    await gone.begin(taken)
    await clock.advance(60)
    (taken,) = await mine.due()
    assert taken.parked.begun
    await mine.again(taken.id, clock.now(), 3, "")
    (taken,) = await mine.due()
    assert not taken.parked.begun


async def test_what_was_let_go_is_excused_by_a_process_that_lives(store: StateStore, clock: FakeClock) -> None:
    shelf = Shelf(store, "orders.v1", clock, lease=60, owner="a/1")
    for id_ in "12":
        await shelf.park(message(id_), REFUND, clock.now(), 2, "")
    first, second = await shelf.due()
    for taken in (first, second):
        await shelf.begin(taken)
    shelf.let_go(first.id)
    await shelf.excuse()
    await clock.advance(60)
    other = Shelf(store, "orders.v1", clock, owner="b/1")
    assert {taken.message.id: taken.parked.begun for taken in await other.due()} == {"1": False, "2": True}


class Unsure(MemoryStateStore):
    """Once, a write is done and tells that it failed, or bodies cannot be read."""

    def __init__(self) -> None:
        super().__init__()
        self.fault: str | None = None

    async def write(self, changes: Sequence[Change]) -> None:
        await super().write(changes)
        self._fail("write")

    async def transact(self, changes: Sequence[Change]) -> None:
        await super().transact(changes)
        self._fail("write")

    async def get(self, keys: Sequence[str]) -> dict[str, StateItem]:
        if any(":m:" in key for key in keys):
            self._fail("read")
        return await super().get(keys)

    def _fail(self, fault: str) -> None:
        if self.fault == fault:
            self.fault = None
            raise StoreError("it took too long")


@pytest.mark.parametrize("fault", ["write", "read"])
async def test_what_was_taken_by_a_look_that_failed_is_taken_by_the_next(clock: FakeClock, fault: str) -> None:
    store = Unsure()
    mine = Shelf(store, "orders.v1", clock, lease=60, owner="a/1")
    other = Shelf(store, "orders.v1", clock, lease=60, owner="b/1")
    await mine.park(message(), REFUND, clock.now(), 2, "")
    store.fault = fault
    with pytest.raises(StoreError):
        await mine.due()
    assert ids(await other.due()) == []
    assert mine.next_due() == clock.now()
    assert ids(await mine.due()) == ["1"]
    assert ids(await mine.due()) == []  # in hand now
