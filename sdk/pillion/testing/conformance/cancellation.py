"""What a bridge that can carry it must do when a caller gives up: nobody works in vain."""

from __future__ import annotations

import asyncio

import pytest

from pillion.context import Context
from pillion.errors import DeadlineExceeded
from pillion.runtime.host import Host
from pillion.service.command import Command
from pillion.service.service import Service
from pillion.testing.conformance.world import Seen, World, needs

ABILITY = "cancellation"


class Hanging:
    """A service whose command does not end by itself.

    Attributes:
        begun, ended, finished: what its handler was called with, cancelled at, and done with.
        gate: lets it finish.
    """

    def __init__(self, world: World, *, once: bool = False) -> None:
        self.begun, self.ended, self.finished = Seen[int](), Seen[int](), Seen[int]()
        self.gate = asyncio.Event()
        self.service = Service(world.name("hanging"), state=world.state)
        # One worker, which has to go on after it was cancelled.
        self.hang = self.service.command(name="hang", concurrency=1, once=once)(self._hang)

    async def _hang(self, number: int) -> int:
        self.begun.add(number)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.ended.add(number)
            raise
        self.finished.add(number)
        return number


async def give_up(host: Host, command: Command[int, int], hanging: Hanging) -> None:
    """Call, and give up once the handler has begun."""
    calling = asyncio.ensure_future(host.call(command, 1))
    await hanging.begun.wait()
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling


class Cancellation:
    """A caller that gives up cancels the handler it waited for."""

    async def test_a_caller_that_gives_up_cancels_the_handler(self, world: World) -> None:
        needs(world, ABILITY)
        hanging = Hanging(world)
        host = await world.start(hanging.service)
        await give_up(host, hanging.hang, hanging)
        assert await hanging.ended.wait() == [1]

    async def test_after_that_the_service_goes_on(self, world: World) -> None:
        needs(world, ABILITY)
        hanging = Hanging(world)
        host = await world.start(hanging.service)
        await give_up(host, hanging.hang, hanging)
        await hanging.ended.wait()
        hanging.gate.set()
        assert [await host.call(hanging.hang, number) for number in (2, 3)] == [2, 3]

    async def test_a_caller_that_gives_up_in_another_host_cancels_the_handler(self, world: World) -> None:
        needs(world, ABILITY)
        hanging, front = Hanging(world), Service(world.name("front"))

        @front.command(calls=[hanging.hang])
        async def pass_on(ctx: Context, number: int) -> int:
            return await ctx.call(hanging.hang, number)

        await world.start(hanging.service)
        host = await world.start(front)
        await give_up(host, pass_on, hanging)
        assert await hanging.ended.wait() == [1]

    async def test_a_caller_whose_time_is_over_cancels_the_handler(self, world: World) -> None:
        needs(world, ABILITY)
        hanging = Hanging(world)
        host = await world.start(hanging.service)
        while not hanging.begun.items:  # its time may be over on the way there
            with pytest.raises(DeadlineExceeded):
                await host.call(hanging.hang, 1, timeout=0.3)
        assert await hanging.ended.wait() == [1]

    async def test_what_is_done_once_is_finished(self, world: World) -> None:
        needs(world, ABILITY)
        hanging = Hanging(world, once=True)
        host = await world.start(hanging.service)
        await give_up(host, hanging.hang, hanging)
        hanging.gate.set()
        assert await hanging.finished.wait() == [1]
        assert hanging.ended.items == []
