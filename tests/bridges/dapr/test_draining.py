"""A process that stops, with work in hand that does not end."""

from __future__ import annotations

import asyncio

import pytest

from pillion.runtime.settings import HostSettings
from pillion.service.contract import Contract
from pillion.service.service import Service
from pillion.testing.conformance.world import Seen
from tests.conformance.daprworld import FakeWorld

DRAIN = 0.2
# Far less than a listener waits for answers that never come.
SOON = 3.0


async def test_work_that_does_not_end_is_given_back_within_the_limit() -> None:
    async with FakeWorld() as world:
        service, begun = Service(world.name("endless")), Seen[int]()
        told = Contract(world.name("source")).event("told", int)

        @service.on(told, timeout=None)
        async def hang(number: int) -> None:
            begun.add(number)
            await asyncio.Event().wait()

        host = await world.start(service, drain_seconds=DRAIN)
        await host.emit(told, 1)
        await begun.wait()
        async with asyncio.timeout(SOON):
            assert await host.stop() == 1


@pytest.mark.parametrize("commands", ["pubsub", "invocation"])
async def test_a_call_that_does_not_end_is_answered_within_the_limit(commands: str) -> None:
    async with FakeWorld(HostSettings.model_validate({"commands": commands})) as world:
        service, begun = Service(world.name("endless")), Seen[int]()

        @service.command
        async def hang(number: int) -> int:
            begun.add(number)
            await asyncio.Event().wait()
            return number

        host = await world.start(service, drain_seconds=DRAIN)
        other = await world.start(Service(world.name("asking")))
        asked = asyncio.ensure_future(other.call(hang, 1))
        await begun.wait()
        async with asyncio.timeout(SOON):
            assert await host.stop() == 1
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
