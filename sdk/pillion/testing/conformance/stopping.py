"""What a bridge must do when a host stops."""

from __future__ import annotations

import asyncio

import pytest

from pillion.context import Context
from pillion.errors import Unavailable
from pillion.service.contract import Contract
from pillion.service.service import Service
from pillion.testing.conformance.world import Seen, World, needs


class Stopping:
    """A host that stops finishes what it has in hand, and takes no more."""

    async def test_what_is_in_hand_is_finished_and_answered(self, world: World) -> None:
        front, back = Service(world.name("front")), Service(world.name("back"))
        begun, gate = Seen[int](), asyncio.Event()

        @back.command
        async def work(number: int) -> int:
            begun.add(number)
            await gate.wait()
            return number * 2

        @front.command(calls=[work])
        async def ask(ctx: Context, number: int) -> int:
            return await ctx.call(work, number)

        callee = await world.start(back)
        host = await world.start(front)
        asked = asyncio.ensure_future(host.call(ask, 4))
        await begun.wait()
        stopped = asyncio.ensure_future(world.stop(callee))
        await asyncio.wait([stopped], timeout=0.05)
        assert not stopped.done()
        gate.set()
        assert await asked == 8
        assert await stopped == 0

    async def test_what_waits_for_an_answer_gets_it_and_is_finished(self, world: World) -> None:
        front, back = Service(world.name("front")), Service(world.name("back"))
        told = Contract(world.name("source")).event("told", int)
        begun, answered, gate = Seen[int](), Seen[int](), asyncio.Event()

        @back.command
        async def work(number: int) -> int:
            begun.add(number)
            await gate.wait()
            return number * 2

        @front.on(told, calls=[work])
        async def ask(ctx: Context, number: int) -> None:
            answered.add(await ctx.call(work, number))

        await world.start(back)
        host = await world.start(front)
        await host.emit(told, 4)
        await begun.wait()
        # Its sidecar lives on: one that is gone cannot bring the answer.
        stopped = asyncio.ensure_future(host.stop())
        await asyncio.wait([stopped], timeout=0.05)
        assert not stopped.done()
        gate.set()
        assert await stopped == 0
        assert answered.items == [8]

    async def test_a_stopped_host_refuses_new_work(self, world: World) -> None:
        service, begun = Service(world.name("busy")), Seen[int]()

        @service.command
        async def work(number: int) -> int:
            begun.add(number)
            return number

        host = await world.start(service)
        assert await host.call(work, 1) == 1
        await world.stop(host)
        with pytest.raises(Unavailable):
            await host.call(work, 2)
        assert begun.items == [1]

    async def test_the_other_instance_gets_what_comes_after(self, world: World) -> None:
        needs(world, "second instance of an app")
        contract, heard = Contract(world.name("source")), Seen[tuple[str, int]]()
        told, name = contract.event("told", int), world.name("worker")

        def build(instance: str) -> Service:
            service = Service(name)

            @service.on(told)
            async def work(number: int) -> None:
                heard.add((instance, number))

            return service

        first, second = await world.start(build("first")), await world.start(build("second"))
        for number in range(10):
            await first.emit(told, number)
        await heard.wait(10)
        await world.stop(first)
        for number in range(10, 20):
            await second.emit(told, number)
        await heard.until(lambda items: {number for _, number in items} == set(range(20)))
        assert {instance for instance, number in heard.items if number >= 10} == {"second"}

    async def test_what_takes_longer_than_the_limit_is_cut_off_and_counted(self, world: World) -> None:
        service, begun = Service(world.name("endless")), Seen[int]()
        told = Contract(world.name("source")).event("told", int)

        @service.on(told, timeout=None)
        async def hang(number: int) -> None:
            begun.add(number)
            await asyncio.Event().wait()

        host = await world.start(service, drain_seconds=0.1)
        await host.emit(told, 1)
        await begun.wait()
        assert await world.stop(host) == 1
