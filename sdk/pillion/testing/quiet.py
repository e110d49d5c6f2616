"""Quiescence: nothing queued, nothing in hand. What tests wait for instead of sleeping."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from pillion.bridges.memory.broker import MemoryBroker
from pillion.pipeline.keeper import Keeper
from pillion.testing.clock import FakeClock

# Turns of the event loop after which a handler that waits for nothing but the fake clock has nothing left to do.
_TURNS = 20
_MOMENT = 0.001


async def until_quiet(
    broker: MemoryBroker, clock: FakeClock | None, limit: float, keepers: Sequence[Keeper] = ()
) -> None:
    """Wait until the broker has no message queued or in hand, and none that was parked is due.

    A fake clock skips the waits between retries, of parked messages too.

    Raises:
        TimeoutError: it did not get quiet; the text says how many messages were left.
    """
    try:
        async with asyncio.timeout(limit):
            await (_settled(broker, keepers) if clock is None else _skipping(_at_rest(broker, keepers), clock))
    except TimeoutError:
        raise TimeoutError(
            f"{broker.unsettled} messages are still queued or being handled after {limit:g} s; "
            "does a handler wait for something that this test has to do?"
        ) from None


async def _settled(broker: MemoryBroker, keepers: Sequence[Keeper]) -> None:
    await broker.quiet()
    while any(keeper.busy for keeper in keepers) or broker.unsettled:
        await asyncio.sleep(_MOMENT)
        await broker.quiet()


async def _at_rest(broker: MemoryBroker, keepers: Sequence[Keeper]) -> None:
    await broker.quiet()
    while any(keeper.waiting for keeper in keepers) or broker.unsettled:
        await asyncio.sleep(_MOMENT)
        await broker.quiet()


async def _skipping(work: Coroutine[Any, Any, None], clock: FakeClock) -> None:
    quiet = asyncio.ensure_future(work)
    try:
        while not quiet.done():
            asleep = asyncio.ensure_future(clock.until_asleep())
            try:
                await asyncio.wait((quiet, asleep), return_when=asyncio.FIRST_COMPLETED)
            finally:
                asleep.cancel()
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            if not quiet.done():
                await clock.skip()
        quiet.result()
    finally:
        quiet.cancel()
