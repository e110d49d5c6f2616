"""The hello world of the README beside a real daprd over Redis, called by the command line."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
import pytest_asyncio

from pillion.sidecar.child import Child
from pillion.sidecar.ports import free_port
from pillion.sidecar.process import Daprd, DaprdOptions
from tests.cli.invoking import run
from tests.daprd import require_daprd
from tests.profiles import copy_configuration, copy_profile
from tests.servers import Server

pytestmark = [pytest.mark.daprd, pytest.mark.redis]

HELLO = """
from pydantic import BaseModel
from pillion import Service

greeter = Service("greeter")

class Greet(BaseModel):
    name: str

@greeter.command
async def hello(greet: Greet) -> str:
    return f"Hello, {greet.name}!"
"""

# Hears an event that the command line emits.
LISTENER = """
from pydantic import BaseModel
from pillion import Contract, Service

class Greet(BaseModel):
    name: str

greeted = Contract("greeter").event("greeted", Greet)
listener = Service("listener")

@listener.on(greeted)
async def listen(event: Greet) -> None:
    print(f"heard of {event.name}", flush=True)
"""


class Lines:
    """The output of an app, waited for line by line."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self.seen: list[str] = []

    def __call__(self, line: str) -> None:
        self._queue.put_nowait(line)

    async def until(self, text: str) -> str:
        try:
            async with asyncio.timeout(50):
                while True:
                    line = await self._queue.get()
                    self.seen.append(line)
                    if text in line:
                        return line
        except TimeoutError:
            raise AssertionError(f"{text!r} did not come:\n" + "\n".join(self.seen)) from None


class Beside:
    """An app and its sidecar, both processes."""

    def __init__(self, app: Child, daprd: Daprd, lines: Lines) -> None:
        self.app = app
        self.lines = lines
        self.port = str(daprd.options.http_port)


@contextlib.asynccontextmanager
async def beside(folder: Path, profile: Path, configuration: Path, name: str) -> AsyncIterator[Beside]:
    """``pillion run`` of the module and service of this name, beside a daprd of its own."""
    port, lines = free_port(), Lines()
    options = DaprdOptions(
        app_id=name,
        app_port=port,
        resources_paths=(profile,),
        config_path=configuration,
        flags=("--dapr-block-shutdown-duration", "0s"),
    )
    command = (sys.executable, "-m", "pillion", "run", f"{name}_app:{name}")
    app = Child(command, _variables(options, port), directory=folder, output=lines)
    daprd = Daprd(options)
    await daprd.start()
    try:
        await daprd.wait_ready()
        await app.start()
        await daprd.wait_serving()
        yield Beside(app, daprd, lines)
    finally:
        await daprd.stop()
        await app.stop(10)


def _variables(options: DaprdOptions, port: int) -> Mapping[str, str]:
    return {
        **os.environ,
        "APP_ID": options.app_id,
        "APP_PORT": str(port),
        "DAPR_HTTP_PORT": str(options.http_port),
        "DAPR_GRPC_PORT": str(options.grpc_port),
        "PYTHONUNBUFFERED": "1",
    }


@pytest.fixture
def profile(redis_server: Server, tmp_path: Path) -> Path:
    require_daprd()
    (tmp_path / "greeter_app.py").write_text(HELLO)
    (tmp_path / "listener_app.py").write_text(LISTENER)
    return copy_profile("redis", tmp_path, redis=redis_server.address)


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    return copy_configuration(tmp_path)


class TestCall:
    @pytest_asyncio.fixture
    async def greeter(self, tmp_path: Path, profile: Path, configuration: Path) -> AsyncIterator[Beside]:
        async with beside(tmp_path, profile, configuration, "greeter") as greeter:
            await greeter.lines.until('"started"')
            yield greeter

    async def test_the_answer_comes_back(self, greeter: Beside) -> None:
        found = await run("call", "greeter.hello", '{"name": "Ada"}', "--sidecar-port", greeter.port)
        assert found == (0, '"Hello, Ada!"\n', "")

    async def test_a_wrong_payload_is_told_by_field(self, greeter: Beside) -> None:
        found = await run("call", "greeter.hello", "{}", "--sidecar-port", greeter.port)
        assert found.code == 1
        assert "invalid_input (400)" in found.err
        assert "\n  name: Field required\n" in found.err

    async def test_an_unknown_command_is_told(self, greeter: Beside) -> None:
        found = await run("call", "greeter.helo", "{}", "--sidecar-port", greeter.port)
        assert found.code == 1
        assert "unknown_command (404)" in found.err

    async def test_an_unknown_app_is_told(self, greeter: Beside) -> None:
        found = await run("call", "nobody.hello", "{}", "--sidecar-port", greeter.port, "--timeout", "10")
        assert found.code == 1
        assert "'nobody'" in found.err

    async def test_sigterm_ends_the_app_with_0(self, greeter: Beside) -> None:
        os.kill(greeter.app.pid, signal.SIGTERM)
        assert await greeter.app.wait() == 0


async def test_an_emitted_event_is_heard(tmp_path: Path, profile: Path, configuration: Path) -> None:
    async with beside(tmp_path, profile, configuration, "listener") as listener:
        await listener.lines.until('"started"')
        found = await run("emit", "greeter.greeted", '{"name": "Ada"}', "--sidecar-port", listener.port)
        assert found.code == 0, found.err
        await listener.lines.until("heard of Ada")
