"""A clock that tests move."""

from __future__ import annotations

import asyncio

from pillion.testing.clock import FakeClock


async def test_it_stands_still() -> None:
    clock = FakeClock(start=5)
    assert (clock.now(), clock.now()) == (5, 5)


async def test_sleepers_wake_in_their_order_at_their_time() -> None:
    clock, woken = FakeClock(start=0), list[tuple[str, float]]()

    async def sleep(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.now()))

    tasks = [asyncio.ensure_future(sleep("late", 10)), asyncio.ensure_future(sleep("early", 1))]
    await clock.until_asleep(2)
    await clock.advance(0.5)
    assert woken == []
    await clock.advance(0.5)
    assert woken == [("early", 1)]
    await clock.advance(100)
    assert (woken[1], clock.now()) == (("late", 10), 101)
    await asyncio.gather(*tasks)


async def test_a_sleeper_that_was_cancelled_is_forgotten() -> None:
    clock = FakeClock(start=0)
    asleep = asyncio.ensure_future(clock.sleep(10))
    await clock.until_asleep()
    asleep.cancel()
    await asyncio.wait([asleep])
    assert clock.sleeping == 0
    await clock.skip()
    assert clock.now() == 0


async def test_skip_goes_to_the_next_sleeper() -> None:
    clock = FakeClock(start=0)
    await clock.skip()
    asleep = asyncio.ensure_future(clock.sleep(10))
    await clock.until_asleep()
    await clock.skip()
    await asleep
    assert clock.now() == 10
