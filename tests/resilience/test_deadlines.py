"""Many deadlines on one timer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio

from pillion.resilience.deadlines import Deadlines


@pytest_asyncio.fixture
async def deadlines() -> AsyncIterator[Deadlines]:
    made = Deadlines()
    yield made
    made.close()


async def test_deadlines_expire_in_their_order(deadlines: Deadlines) -> None:
    expired: list[str] = []
    last = asyncio.Event()
    deadlines.after(0.03, last.set)
    deadlines.after(0.02, lambda: expired.append("second"))
    deadlines.after(0.01, lambda: expired.append("first"))
    await asyncio.wait_for(last.wait(), 2)
    assert expired == ["first", "second"]


async def test_one_that_was_taken_back_does_not_expire(deadlines: Deadlines) -> None:
    expired: list[str] = []
    last = asyncio.Event()
    deadlines.cancel(deadlines.after(0.001, lambda: expired.append("taken back")))
    deadlines.after(0.02, last.set)
    await asyncio.wait_for(last.wait(), 2)
    assert expired == []


async def test_a_callback_may_set_and_take_back_others(deadlines: Deadlines) -> None:
    expired: list[str] = []
    last = asyncio.Event()
    doomed = deadlines.after(0.03, lambda: expired.append("doomed"))

    def first() -> None:
        deadlines.cancel(doomed)
        deadlines.after(0.05, last.set)

    deadlines.after(0.01, first)
    await asyncio.wait_for(last.wait(), 2)
    assert expired == []


async def test_what_is_over_already_expires_at_once(deadlines: Deadlines) -> None:
    over = asyncio.Event()
    deadlines.after(-1, over.set)
    await asyncio.wait_for(over.wait(), 2)


async def test_after_close_nothing_expires(deadlines: Deadlines) -> None:
    expired: list[str] = []
    deadlines.after(0.001, lambda: expired.append("late"))
    deadlines.close()
    later = asyncio.Event()
    asyncio.get_running_loop().call_later(0.02, later.set)
    await later.wait()
    assert expired == []
