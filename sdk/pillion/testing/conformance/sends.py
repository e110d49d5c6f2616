"""What a bridge must do with commands that are sent without waiting for an answer."""

from __future__ import annotations

import asyncio

from pillion.service.service import Service
from pillion.testing.conformance.world import Seen, World

# Longer than a bridge waits before it has a send kept. Seconds.
_SLOW = 1.0


class Sends:
    """A send that takes long holds up no other, if its service has a state store, and is handled once."""

    async def test_a_slow_send_holds_up_no_other(self, world: World) -> None:
        service = Service(world.name("worker"), state=world.state)
        begun, quick_done, slow_done, gate = Seen[int](), Seen[int](), Seen[int](), asyncio.Event()

        @service.command
        async def slow(number: int) -> None:
            begun.add(number)
            await gate.wait()
            slow_done.add(number)

        @service.command
        async def quick(number: int) -> None:
            quick_done.add(number)

        host = await world.start(service)
        await host.send(slow, 1)
        await begun.wait()
        await host.send(quick, 2)
        await quick_done.wait()
        gate.set()
        await slow_done.wait()
        await world.quiet()
        assert (begun.items, quick_done.items, slow_done.items) == ([1], [2], [1])

    async def test_a_slow_send_is_finished_before_its_host_stops(self, world: World) -> None:
        service, begun, done = Service(world.name("worker"), state=world.state), Seen[int](), Seen[int]()
        gate = asyncio.Event()

        @service.command
        async def slow(number: int) -> None:
            begun.add(number)
            await gate.wait()
            done.add(number)

        host = await world.start(service)
        await host.send(slow, 1)
        await begun.wait()
        asyncio.get_running_loop().call_later(_SLOW, gate.set)
        assert await world.stop(host) == 0
        assert done.items == [1]
