"""Waits that are too long for the app: the message is parked, and handled when its time has come."""

from __future__ import annotations

import asyncio

from pillion import Context, Contract, Retry, Service
from pillion.pipeline.facilities import LONGEST_WAIT
from pillion.stores.memory import MemoryStateStore
from pillion.testing.clock import FakeClock
from pillion.testing.harness import hosted

TOLD = Contract("source").event("told", int)


def asking_for(seconds: float, attempts: list[int]) -> Service:
    service = Service("sink")

    @service.on(TOLD, retry=Retry(attempts=3))
    async def hear(ctx: Context, _: int) -> None:
        attempts.append(ctx.message.attempt)
        if len(attempts) < 3:
            raise Retry(after=seconds)

    return service


async def test_a_long_wait_is_parked_and_its_attempts_are_counted() -> None:
    attempts: list[int] = []
    clock = FakeClock()
    began = clock.now()
    async with hosted(asking_for(100 * LONGEST_WAIT, attempts), clock=clock) as host:
        await host.emit(TOLD, 1)
        await host.until_quiet()
    assert attempts == [1, 2, 3]
    assert clock.now() - began >= 200 * LONGEST_WAIT


async def test_a_parked_message_is_handled_after_a_restart() -> None:
    attempts: list[int] = []
    clock, store = FakeClock(), MemoryStateStore()
    async with hosted(asking_for(100 * LONGEST_WAIT, attempts), clock=clock, stores={"sink-state": store}) as host:
        await host.emit(TOLD, 1)
        while not attempts:  # noqa: ASYNC110 - it is told of no other way
            await asyncio.sleep(0)
    assert attempts == [1]
    async with hosted(asking_for(0.1, attempts), clock=clock, stores={"sink-state": store}) as host:
        await host.until_quiet()
    assert attempts == [1, 2, 3]


async def test_attempts_that_take_long_count_as_waiting_does() -> None:
    attempts: list[tuple[int, float]] = []
    clock, service = FakeClock(), Service("sink")
    began = clock.now()

    @service.on(TOLD, retry=Retry(attempts=4, backoff="1s", jitter=0))
    async def hear(ctx: Context, _: int) -> None:
        attempts.append((ctx.message.attempt, clock.now() - began))
        await clock.advance(0.4 * LONGEST_WAIT)
        if len(attempts) < 4:
            raise ConnectionError

    async with hosted(service, clock=clock) as host:
        await host.emit(TOLD, 1)
        await host.until_quiet()
    in_process = [at for _, at in attempts if at <= LONGEST_WAIT]
    assert [attempt for attempt, _ in attempts] == [1, 2, 3, 4]
    assert len(in_process) == 3
