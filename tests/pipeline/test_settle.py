"""Waits that are too long for the app: the bridge brings the message back, perhaps too early."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import structlog

from pillion import Context, Contract, Message, Retry, Service
from pillion.bridges.memory.bridge import MemoryBridge
from pillion.flow import Handle
from pillion.outcome import Ack, Outcome
from pillion.pipeline.facilities import Facilities
from pillion.pipeline.inbound import routes
from pillion.pipeline.settle import LONGEST_WAIT
from pillion.resilience.deadlines import Deadlines
from pillion.runtime.provisions import ServiceProvisions
from pillion.testing.clock import FakeClock

TOLD = Message("1", "/x", "source.v1.told", "1.0")


async def compiled(service: Service, clock: FakeClock) -> Handle:
    bridge = MemoryBridge(clock=clock)
    await bridge.start()
    log = structlog.get_logger()
    facilities = Facilities(bridge, clock, Deadlines(), ThreadPoolExecutor(1), log, "app")
    [route] = routes(service, ServiceProvisions(service, None, "app"), facilities)
    return route.handle


def asking_for(seconds: float, attempts: list[int | None]) -> Service:
    service = Service("sink")
    told = Contract("source").event("told", type(None))

    @service.on(told, retry=Retry(attempts=3))
    async def hear(ctx: Context, _: None) -> None:
        attempts.append(ctx.message.attempt)
        if len(attempts) < 3:
            raise Retry(after=seconds)

    return service


async def handled(handle: Handle, clock: FakeClock) -> Outcome:
    """Deliver the message as it first came, which is what daprd does, and let all waits in the app pass."""
    delivery = asyncio.ensure_future(_handled(handle))
    while not delivery.done():
        await asyncio.sleep(0)
        if clock.sleeping:
            await clock.skip()
    return await delivery


async def _handled(handle: Handle) -> Outcome:
    return await handle(TOLD)


async def test_a_message_that_comes_back_too_early_waits_on() -> None:
    attempts: list[int | None] = []
    clock = FakeClock()
    handle = await compiled(asking_for(3 * LONGEST_WAIT, attempts), clock)
    began = clock.now()
    outcomes = [type(await handled(handle, clock)) for _ in range(3)]
    assert (outcomes, attempts) == ([Retry, Retry, Retry], [None])
    assert clock.now() - began <= 2 * LONGEST_WAIT


async def test_attempts_are_counted_over_redeliveries() -> None:
    attempts: list[int | None] = []
    clock = FakeClock()
    handle = await compiled(asking_for(1.5 * LONGEST_WAIT, attempts), clock)
    outcome: Outcome = Retry()
    while not isinstance(outcome, Ack):
        outcome = await handled(handle, clock)
    assert attempts == [None, 2, 3]
