"""What a bridge must do with time: nobody waits longer than asked, and nobody works in vain."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from pillion.context import Context
from pillion.errors import DeadlineExceeded
from pillion.message import Message
from pillion.service.service import Service
from pillion.testing.conformance.world import Seen, World


class Deadlines:
    """Callers' deadlines travel with the message."""

    async def test_a_call_ends_at_its_own_timeout(self, world: World) -> None:
        service = Service(world.name("slow"))

        @service.command
        async def hang() -> None:
            await asyncio.Event().wait()

        host = await world.start(service)
        with pytest.raises(DeadlineExceeded) as caught:
            await host.call(hang, None, timeout=0.1)
        assert caught.value.retryable

    async def test_a_handler_ends_at_its_timeout(self, world: World) -> None:
        service, ended = Service(world.name("slow")), Seen[str]()

        @service.command(timeout=0.1)
        async def hang() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.add("cancelled")

        host = await world.start(service)
        with pytest.raises(DeadlineExceeded):
            await host.call(hang, None, timeout=15)
        assert ended.items == ["cancelled"]

    async def test_a_call_within_a_call_has_only_the_time_that_is_left(self, world: World) -> None:
        front, back = Service(world.name("front")), Service(world.name("back"))
        messages = Seen[Message]()

        @back.command
        async def inner(ctx: Context) -> None:
            messages.add(ctx.message)

        @front.command(calls=[inner])
        async def outer(ctx: Context) -> None:
            messages.add(ctx.message)
            await ctx.call(inner, None, timeout=1000)

        await world.start(back)
        host = await world.start(front)
        await host.call(outer, None, timeout=15)
        asked, passed_on = messages.items
        assert asked.deadline is not None
        assert passed_on.deadline is not None
        # What the handler keeps for itself, to do something about it when there is no answer.
        assert timedelta(0) < asked.deadline - passed_on.deadline <= timedelta(seconds=0.5)

    async def test_expired_work_is_not_begun(self, world: World) -> None:
        service, begun, gate = Service(world.name("queue")), Seen[int](), asyncio.Event()

        @service.command(concurrency=1)
        async def work(number: int) -> None:
            begun.add(number)
            await gate.wait()

        host = await world.start(service)
        first = asyncio.ensure_future(host.call(work, 1))
        await begun.wait(1)
        with pytest.raises(DeadlineExceeded):
            await host.call(work, 2, timeout=0.1)
        gate.set()
        await first
        await world.quiet()
        assert begun.items == [1]

    async def test_a_late_reply_is_discarded(self, world: World) -> None:
        service, gates, begun = Service(world.name("late")), [asyncio.Event(), asyncio.Event()], Seen[int]()

        @service.command
        async def work(number: int) -> int:
            begun.add(number)
            try:
                await gates[number].wait()
            except asyncio.CancelledError:
                return -1
            return number

        host = await world.start(service)
        with pytest.raises(DeadlineExceeded):
            await host.call(work, 0, timeout=0.1)
        gates[0].set()
        gates[1].set()
        assert await host.call(work, 1) == 1
        await world.quiet()
