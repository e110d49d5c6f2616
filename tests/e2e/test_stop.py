"""What is in hand when ``pillion dev`` stops is finished, committed and acknowledged: real daprd, real Redis."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
import yaml

from pillion import Service
from pillion.runtime.host import Host
from pillion.sidecar.child import Child
from pillion.sidecar.ports import free_port
from tests.conformance.daprworld import DaprdWorld, beside_daprd
from tests.e2e import working_app
from tests.e2e.working_app import Noted, begun, contract, noted, told, work
from tests.servers import Server, find_program, redis

pytestmark = [pytest.mark.daprd, pytest.mark.redis]

COUNT = 10
NUMBERS = range(COUNT)
# Longer than a sidecar that is told to stop serves its app.
WORK_SECONDS = "3"


class Working:
    """``pillion dev`` with a copy of the app that works, and who talks to it from outside."""

    def __init__(self, world: DaprdWorld, folder: Path) -> None:
        self.heard: list[Noted] = []
        self.host: Host
        self._world = world
        self._file = folder / "begun"
        self._code = folder / "code"
        self._lines: list[str] = []
        argv = [sys.executable, "-m", "pillion", "dev", "--reload", "-f", str(self._run_file(folder))]
        self.dev = Child(argv, os.environ, output=self._lines.append)

    async def start(self) -> None:
        """With events that wait for it, so that the first batch has them all."""
        ear = Service("ear")

        @ear.on(noted)
        async def hear(event: Noted) -> None:
            self.heard.append(event)

        await self._world.start(ear)
        self.host = await self._world.start(Service("source"))
        await asyncio.gather(*(self.host.emit(told, number) for number in NUMBERS))
        await self.dev.start()
        await self.until(lambda: self.has_said("all are ready") and len(self.begun("note")) == COUNT)

    async def until(self, condition: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout(30):
                while not condition():  # noqa: ASYNC110 - other processes
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError("\n".join(self._lines)) from None

    def has_said(self, text: str, times: int = 1) -> bool:
        return sum(text in line for line in self._lines) >= times

    def begun(self, what: str) -> list[int]:
        return begun(self._file, what)

    def change_code(self) -> None:
        (self._code / "changed.py").touch()

    def _run_file(self, folder: Path) -> Path:
        self._code.mkdir()
        shutil.copy(working_app.__file__, self._code)
        app = {
            "appID": contract.name,
            "appDirPath": str(self._code),
            "appPort": free_port(),
            "command": ["python", "-m", "pillion", "run", "working_app:orders"],
        }
        common = {
            "resourcesPaths": [str(self._world.profile)],
            "configFilePath": str(self._world.configuration),
            "env": {"BEGUN_FILE": str(self._file), "WORK_SECONDS": WORK_SECONDS},
        }
        path = folder / "dapr.yaml"
        path.write_text(yaml.safe_dump({"version": 1, "common": common, "apps": [app]}))
        return path


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Server]:
    """A Redis for one test: what others have left would be in hand too."""
    folder = tmp_path / "broker"
    folder.mkdir()
    with redis(folder) as server:
        yield server


@pytest_asyncio.fixture
async def working(broker: Server, tmp_path: Path) -> AsyncIterator[Working]:
    async with beside_daprd("redis", tmp_path, redis=broker.address) as world:
        working = Working(world, tmp_path)
        try:
            await working.start()
            yield working
        finally:
            await working.dev.stop(grace=30)


def interrupt(working: Working) -> None:
    os.killpg(working.dev.pid, signal.SIGINT)  # a terminal's Ctrl-C


def terminate(working: Working) -> None:
    os.kill(working.dev.pid, signal.SIGTERM)


@pytest.mark.parametrize("stop", [interrupt, terminate])
async def test_what_is_in_hand_is_finished_committed_and_acknowledged(
    working: Working, broker: Server, stop: Callable[[Working], None]
) -> None:
    calls = [asyncio.ensure_future(working.host.call(work, number)) for number in NUMBERS]
    await working.until(lambda: len(working.begun("work")) == COUNT)
    stop(working)
    assert await working.dev.wait() == 0
    assert sorted(await asyncio.gather(*calls)) == list(NUMBERS)
    await working.until(lambda: len(working.heard) == 2 * COUNT)
    assert await unacknowledged(broker, told.topic) == 0


async def test_a_restart_on_change_finishes_what_is_in_hand(working: Working, broker: Server) -> None:
    working.change_code()
    await working.until(lambda: working.has_said("restarting") and len(working.heard) == COUNT)
    await working.until(lambda: working.has_said("is up", times=2))
    assert await unacknowledged(broker, told.topic) == 0


async def unacknowledged(server: Server, topic: str) -> int:
    """How many messages the broker would bring again."""
    argv = [find_program("redis-cli"), "-p", str(server.port), "XPENDING", topic, contract.name]
    process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return int(output.split()[0])
