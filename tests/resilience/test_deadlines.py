"""Many deadlines on one timer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest_asyncio

from pillion.resilience.deadlines import Deadlines


@pytest_asyncio.fixture
async def deadlines() -> AsyncIterator[Deadlines]:
    made = Deadlines()
    yield made
    made.close()


class Call:
    """Calls a function when it expires."""

    def __init__(self, function: Callable[[], None]) -> None:
        self.expire = function


async def test_deadlines_expire_in_their_order(deadlines: Deadlines) -> None:
    expired: list[str] = []
    last = asyncio.Event()
    deadlines.after(0.03, Call(last.set))
    deadlines.after(0.02, Call(lambda: expired.append("second")))
    deadlines.after(0.01, Call(lambda: expired.append("first")))
    await asyncio.wait_for(last.wait(), 2)
    assert expired == ["first", "second"]


async def test_one_that_was_taken_back_does_not_expire(deadlines: Deadlines) -> None:
    expired: list[str] = []
    last = asyncio.Event()
    taken_back = Call(lambda: expired.append("taken back"))
    deadlines.after(0.001, taken_back)
    deadlines.cancel(taken_back)
    deadlines.after(0.02, Call(last.set))
    await asyncio.wait_for(last.wait(), 2)
    assert expired == []


async def test_one_that_is_set_again_expires_then(deadlines: Deadlines) -> None:
    expired: list[str] = []
    last = asyncio.Event()
    moved = Call(lambda: expired.append("moved"))
    deadlines.after(0.001, moved)
    deadlines.after(60, moved)
    deadlines.after(0.02, Call(last.set))
    await asyncio.wait_for(last.wait(), 2)
    assert expired == []


async def test_one_that_expires_may_set_and_take_back_others(deadlines: Deadlines) -> None:
    expired: list[str] = []
    last = asyncio.Event()
    doomed = Call(lambda: expired.append("doomed"))
    deadlines.after(0.03, doomed)

    def first() -> None:
        deadlines.cancel(doomed)
        deadlines.after(0.05, Call(last.set))

    deadlines.after(0.01, Call(first))
    await asyncio.wait_for(last.wait(), 2)
    assert expired == []


async def test_what_is_over_already_expires_at_once(deadlines: Deadlines) -> None:
    over = asyncio.Event()
    deadlines.after(-1, Call(over.set))
    await asyncio.wait_for(over.wait(), 2)


async def test_after_close_nothing_expires(deadlines: Deadlines) -> None:
    expired: list[str] = []
    deadlines.after(0.001, Call(lambda: expired.append("late")))
    deadlines.close()
    later = asyncio.Event()
    asyncio.get_running_loop().call_later(0.02, later.set)
    await later.wait()
    assert expired == []
