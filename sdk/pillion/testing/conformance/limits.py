"""What ``concurrency=`` asks of a host: so many executions of a handler at once, whatever brings their messages."""

from __future__ import annotations

import asyncio

from pillion.outcome import Retry
from pillion.service.contract import Contract
from pillion.service.service import Service
from pillion.testing.conformance.parking import SHORT
from pillion.testing.conformance.world import Seen, World

# What one execution takes, long enough to see who else runs; and how long messages are parked. Seconds.
_WORK = 0.03
_WAIT = 1.0
_MANY = 8


class _Load:
    """Work whose first messages are refused and parked; counts the executions that run."""

    def __init__(self) -> None:
        self._running = 0
        self.highest = 0
        self.refused, self.done = Seen[int](), Seen[int]()

    async def take(self, number: int) -> None:
        if number < _MANY and len(self.refused.items) < _MANY:
            self.refused.add(number)
            raise Retry("not yet", after=_WAIT)
        await self._work()
        self.done.add(number)

    async def _work(self) -> None:
        self._running += 1
        self.highest = max(self.highest, self._running)
        await asyncio.sleep(_WORK)
        self._running -= 1


class Limits:
    """What a handler calls upon, a database perhaps, gets no herd of requests after an outage."""

    async def test_concurrency_binds_deliveries_and_parked_messages_together(self, world: World) -> None:
        contract, service = Contract(world.name("source")), Service(world.name("sink"), state=world.state)
        told, load = contract.event("told", int), _Load()

        @service.on(told, concurrency=2)
        async def hear(number: int) -> None:
            await load.take(number)

        host = await world.start(service, longest_wait=SHORT)
        for number in range(_MANY):
            await host.emit(told, number)
        await load.refused.wait(_MANY)
        await load.done.wait(1)
        for number in range(_MANY, 2 * _MANY):
            await host.emit(told, number)
        assert sorted(await load.done.wait(2 * _MANY)) == list(range(2 * _MANY))
        assert load.highest == 2

    async def test_concurrency_binds_calls_sends_and_parked_messages_together(self, world: World) -> None:
        service, load = Service(world.name("worker"), state=world.state), _Load()

        @service.command(concurrency=2)
        async def work(number: int) -> None:
            await load.take(number)

        host = await world.start(service, longest_wait=SHORT)
        for number in range(_MANY):
            await host.send(work, number)
        await load.refused.wait(_MANY)
        await load.done.wait(1)
        calls = [asyncio.ensure_future(host.call(work, number)) for number in range(_MANY, 2 * _MANY)]
        for number in range(2 * _MANY, 3 * _MANY):
            await host.send(work, number)
        await asyncio.gather(*calls)
        assert sorted(await load.done.wait(3 * _MANY)) == list(range(3 * _MANY))
        assert load.highest == 2

    async def test_parked_messages_of_a_slow_handler_hold_up_no_others(self, world: World) -> None:
        contract, service = Contract(world.name("source")), Service(world.name("sink"), state=world.state)
        told, asked, gate = contract.event("told", int), contract.event("asked", int), asyncio.Event()
        refused, done, finished = Seen[str](), Seen[int](), Seen[int]()

        @service.on(told, concurrency=1)
        async def slow(number: int) -> None:
            if len(refused.items) < 2 * _MANY:
                refused.add("slow")
                raise Retry("not yet", after=_WAIT)
            await gate.wait()
            finished.add(number)

        @service.on(asked)
        async def quick(number: int) -> None:
            if not done.items and "quick" not in refused.items:
                refused.add("quick")
                raise Retry("not yet", after=_WAIT)
            done.add(number)

        host = await world.start(service, longest_wait=SHORT)
        for number in range(2 * _MANY):
            await host.emit(told, number)
        await refused.wait(2 * _MANY)
        await host.emit(asked, 1)
        assert (await done.wait(1), finished.items) == ([1], [])
        gate.set()
        assert sorted(await finished.wait(2 * _MANY)) == list(range(2 * _MANY))
