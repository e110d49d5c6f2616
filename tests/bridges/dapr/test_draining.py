"""A process that stops, with work in hand that does not end, or before it ever started."""

from __future__ import annotations

import asyncio

import pytest

from pillion.errors import PillionError
from pillion.runtime.host import DRAINED
from pillion.runtime.settings import HostSettings
from pillion.service.contract import Contract
from pillion.service.service import Service
from pillion.testing.conformance.world import Seen
from tests.conformance.daprworld import FakeWorld

DRAIN = 0.2
# How long a listener waits for answers that never come, and far less than that.
LONG = 60.0
SOON = 20.0


@pytest.fixture(autouse=True)
def patient_listener(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pillion.runtime.listener._STOP_SECONDS", LONG)


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


async def test_a_host_that_lingers_answers_calls_until_its_sidecar_is_gone() -> None:
    async with FakeWorld(HostSettings(linger=True)) as world:
        service = Service(world.name("lingering"))

        @service.command
        async def double(number: int) -> int:
            return number * 2

        host, other = await world.start(service), await world.start(Service(world.name("asking")))
        stopped = asyncio.ensure_future(host.stop())
        async with asyncio.timeout(SOON):
            while DRAINED not in await host.problems():  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0)
            assert await other.call(double, 2) == 4
            assert not stopped.done()
            await world.stop(host)
            assert await stopped == 0


async def test_a_start_that_is_refused_does_not_wait_for_what_the_sidecar_asked() -> None:
    async with FakeWorld() as world:
        service = Service(world.name("ordered"))
        told = Contract(world.name("source")).event("told", int)

        @service.on(told, key="subject")
        async def note(number: int) -> None:
            raise AssertionError(number)

        async with asyncio.timeout(SOON):
            with pytest.raises(PillionError, match="order"):
                await world.start(service)
