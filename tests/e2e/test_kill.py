"""An app that is killed while it handles messages loses none: real daprd, real brokers, SIGKILL."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pillion import Service
from pillion.sidecar.child import Child
from pillion.sidecar.ports import free_port
from pillion.sidecar.process import Daprd, DaprdOptions
from tests.conformance.daprworld import DaprdWorld
from tests.daprd import require_daprd
from tests.e2e.counting_app import ENOUGH, handled, told
from tests.e2e.fleet import ROOT
from tests.profiles import copy_configuration, copy_profile
from tests.servers import Server

pytestmark = [pytest.mark.daprd, pytest.mark.timeout(240)]
MESSAGES = 200


class Counter:
    """The app, the file that it writes to, and the one that lets it go on when it has handled enough."""

    def __init__(self, file: Path, options: DaprdOptions) -> None:
        self._file = file
        self._go_on = file.with_name("go-on")
        ports = {"APP_PORT": str(options.app_port), "DAPR_HTTP_PORT": str(options.http_port)}
        files = {"COUNT_FILE": str(file), "GO_ON_FILE": str(self._go_on)}
        self._variables = {**os.environ, **ports, **files, "PYTHONPATH": str(ROOT)}
        self._command = [sys.executable, "-m", "pillion", "run", "tests.e2e.counting_app:counter"]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Child]:
        app = Child(self._command, self._variables)
        await app.start()
        try:
            yield app
        finally:
            await app.kill()

    def go_on(self) -> None:
        self._go_on.touch()

    def handled(self) -> set[int]:
        return set(handled(self._file))

    async def until(self, distinct: int) -> None:
        try:
            async with asyncio.timeout(90):
                while len(self.handled()) < distinct:  # noqa: ASYNC110 - another process writes
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{len(self.handled())} of {distinct} messages were handled") from None


BROKERS = [
    pytest.param(name, marks=getattr(pytest.mark, name)) for name in ("redis", "rabbitmq", "nats", "mqtt", "kafka")
]


@pytest.mark.parametrize("profile", BROKERS)
async def test_a_killed_app_loses_nothing(profile: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    async with prepared(profile, request, tmp_path) as (world, options):
        counter = Counter(tmp_path / "handled", options)
        async with Daprd(options) as sidecar:
            async with counter.running():
                await send(world, sidecar)
                await counter.until(ENOUGH)
            assert len(counter.handled()) < MESSAGES
            counter.go_on()
            async with counter.running():
                await counter.until(MESSAGES)
    assert counter.handled() == set(range(MESSAGES))


@pytest.mark.parametrize("profile", BROKERS)
async def test_a_killed_sidecar_loses_nothing(profile: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    async with prepared(profile, request, tmp_path) as (world, options):
        counter = Counter(tmp_path / "handled", options)
        async with counter.running():
            async with Daprd(options) as sidecar:
                await send(world, sidecar)
                await counter.until(ENOUGH)
                await sidecar.kill()
            assert len(counter.handled()) < MESSAGES
            counter.go_on()
            async with Daprd(options):
                await counter.until(MESSAGES)
    assert counter.handled() == set(range(MESSAGES))


@asynccontextmanager
async def prepared(
    profile: str, request: pytest.FixtureRequest, folder: Path
) -> AsyncIterator[tuple[DaprdWorld, DaprdOptions]]:
    """A world to send from, and the options of the sidecar of the app that counts."""
    require_daprd()
    server: Server = request.getfixturevalue(f"{profile}_server")
    components = copy_profile(profile, folder, **{profile: server.address})
    async with DaprdWorld(components, copy_configuration(folder)) as world:
        yield (
            world,
            DaprdOptions(
                app_id="counter",
                app_port=free_port(),
                resources_paths=(components,),
                config_path=world.configuration,
                flags=("--dapr-block-shutdown-duration", "0s"),
            ),
        )


async def send(world: DaprdWorld, sidecar: Daprd) -> None:
    """All messages, once the app beside this sidecar hears them."""
    await sidecar.wait_serving()
    sender = await world.start(Service("source"))
    await asyncio.gather(*(sender.emit(told, number) for number in range(MESSAGES)))
