from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from pillion.cli.run import CUT_OFF, FAILED
from pillion.sidecar.ports import free_port
from tests.cli.invoking import _SIDECAR, Finished, invoke

pytestmark = pytest.mark.slow

HELLO = """
from pillion import Service

greeter = Service("greeter")

@greeter.command
async def hello(name: str) -> str:
    return f"Hello, {name}!"
"""

# Its subscription tells when it has begun, and waits for a file.
SLOW = """
import asyncio
from contextlib import asynccontextmanager
from pathlib import Path

from pillion import Context, Service

slow = Service("slow")
begun = slow.contract.event("begun", int)

@slow.on(begun, timeout=None)
async def work(number: int) -> None:
    print("working", flush=True)
    while not Path("go").exists():
        await asyncio.sleep(0.01)
    print("finished", flush=True)

class Starter:
    async def start(self, host) -> None:
        await host.emit(begun, 1)

    async def stop(self) -> None:
        print("face stopped", flush=True)

face = Starter()

@asynccontextmanager
async def broken(setup):
    raise RuntimeError("no database")
    yield

@asynccontextmanager
async def endless(setup):
    print("opening", flush=True)
    await asyncio.Event().wait()
    yield

crash = Service("crash", resources=broken)
hang = Service("hang", resources=endless)
partial = Service("partial")
partial.contract.command("unhandled", int, int)
"""


# A gateway whose command tells when it has begun, and waits for a file.
FRONT = """
import asyncio
from pathlib import Path

from pillion import Expose, Gateway, Service

desk = Service("desk")

@desk.command(expose=Expose("POST", "/work", public=True))
async def work(number: int) -> int:
    print("working", flush=True)
    while not Path("go").exists():
        await asyncio.sleep(0.01)
    return number

gateway = Gateway([desk.contract])
"""


class Running:
    """``pillion run`` as a process; its output is read line by line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.lines: list[str] = []

    async def until(self, text: str) -> str:
        stdout = self._process.stdout
        assert stdout is not None
        while line := (await stdout.readline()).decode():
            self.lines.append(line)
            if text in line:
                return line
        raise AssertionError(f"{text!r} did not come:\n{''.join(self.lines)}")

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def end(self) -> Finished:
        out, _ = await self._process.communicate()
        return Finished(self._process.returncode or 0, "".join(self.lines) + out.decode(), "")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hello.py").write_text(HELLO)
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "front.py").write_text(FRONT)
    return tmp_path


@contextlib.asynccontextmanager
async def running(folder: Path, *arguments: str, **environ: str) -> AsyncIterator[Running]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pillion", "run", *arguments),
        cwd=folder,
        env={**{name: value for name, value in os.environ.items() if name not in _SIDECAR}, **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield Running(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def finished(folder: Path, *arguments: str, **environ: str) -> Finished:
    async with running(folder, *arguments, **environ) as process:
        return await process.end()


async def get(port: int, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, await answer.text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_stops_it_with_0(folder: Path, number: signal.Signals) -> None:
    async with running(folder, "hello:greeter") as process:
        await process.until('"started"')
        process.signal(number)
        assert (await process.end()).code == 0


async def test_health_is_served_on_the_port(folder: Path) -> None:
    port = free_port()
    async with running(folder, "hello:greeter", "--port", str(port)) as process:
        await process.until('"started"')
        assert await get(port, "/healthz") == (200, '{"status":"alive"}')
        assert (await get(port, "/readyz"))[0] == 200


async def test_work_in_hand_is_finished_first(folder: Path) -> None:
    async with running(folder, "slow:slow", "slow:face") as process:
        await process.until("working")
        process.signal(signal.SIGTERM)
        await process.until("face stopped")
        (folder / "go").touch()
        ended = await process.end()
        assert ended.code == 0
        assert "finished" in ended.out


async def test_while_its_gateway_finishes_a_request_it_is_not_ready(folder: Path) -> None:
    port, public = free_port(), free_port()
    arguments = ("front:desk", "front:gateway", "--port", str(port))
    async with running(folder, *arguments, GATEWAY_PORT=str(public)) as process, aiohttp.ClientSession() as session:
        await process.until("gateway listens")
        assert (await get(port, "/readyz"))[0] == 200
        request = asyncio.create_task(session.post(f"http://127.0.0.1:{public}/work", json=7))
        await process.until("working")
        process.signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            while (await get(port, "/readyz"))[0] != 503:
                pass
        (folder / "go").touch()
        async with await request as answer:
            assert (answer.status, await answer.json()) == (200, 7)
        assert (await process.end()).code == 0


async def test_work_that_is_cut_off_is_3(folder: Path) -> None:
    async with running(folder, "slow:slow", "slow:face", PILLION_DRAIN_SECONDS="0.05") as process:
        await process.until("working")
        process.signal(signal.SIGTERM)
        ended = await process.end()
        assert ended.code == CUT_OFF
        assert '"cut_off": 1' in ended.out


async def test_a_request_that_a_gateway_cuts_off_is_3(folder: Path) -> None:
    settings = {"GATEWAY_PORT": str(free_port()), "PILLION_DRAIN_SECONDS": "0"}
    async with (
        running(folder, "front:desk", "front:gateway", **settings) as process,
        aiohttp.ClientSession() as session,
    ):
        await process.until("gateway listens")
        url = f"http://127.0.0.1:{settings['GATEWAY_PORT']}/work"
        request = asyncio.create_task(session.post(url, json=7))
        await process.until("working")
        process.signal(signal.SIGTERM)
        assert (await process.end()).code == CUT_OFF
        await asyncio.gather(request, return_exceptions=True)


async def test_a_second_signal_ends_it_at_once(folder: Path) -> None:
    async with running(folder, "slow:slow", "slow:face") as process:
        await process.until("working")
        process.signal(signal.SIGTERM)
        await process.until("face stopped")
        process.signal(signal.SIGTERM)
        assert (await process.end()).code == 128 + signal.SIGTERM


async def test_a_signal_while_it_starts_stops_it_with_0(folder: Path) -> None:
    async with running(folder, "slow:hang") as process:
        await process.until("opening")
        process.signal(signal.SIGTERM)
        ended = await process.end()
        assert ended.code == 0
        assert "Traceback" not in ended.out


async def test_resources_that_do_not_open_are_1_and_logged(folder: Path) -> None:
    ended = await finished(folder, "slow:crash")
    assert ended.code == FAILED
    assert "could not start" in ended.out
    assert "RuntimeError: no database" in ended.out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("absent:service",), "there is no module 'absent'"),
        (("hello:absent",), "services in hello: greeter"),
        (("hello",), "write MODULE:ATTR"),
        (("slow:face",), "a host needs at least one service"),
        (("hello:greeter", "hello:greeter"), "greeter.v1 is given 2 times"),
        (("slow:partial",), "no handler for unhandled"),
        (("hello:greeter", "--profile", "nowhere"), "profile nowhere: no such folder"),
    ],
)
async def test_what_is_wrong_is_a_sentence_and_2(folder: Path, arguments: tuple[str, ...], sentence: str) -> None:
    ended = await finished(folder, *arguments)
    assert ended.code == 2
    assert sentence in ended.out
    assert "Traceback" not in ended.out


async def test_a_wrong_variable_is_named(folder: Path) -> None:
    ended = await finished(folder, "hello:greeter", PILLION_DRAIN_SECONDS="soon")
    assert ended.code == 2
    assert "PILLION_DRAIN_SECONDS" in ended.out


async def test_a_port_in_use_is_a_sentence_and_2(folder: Path) -> None:
    port = free_port()
    async with running(folder, "hello:greeter", "--port", str(port)) as process:
        await process.until('"started"')
        ended = await finished(folder, "hello:greeter", "--port", str(port))
        assert ended.code == 2
        assert f"cannot listen on 127.0.0.1:{port}" in ended.out


async def test_a_profile_with_files_makes_their_folder(folder: Path) -> None:
    (folder / "profile").mkdir()
    (folder / "profile" / "state.yaml").write_text(
        "kind: Component\nmetadata: {name: greeter-state}\n"
        "spec: {type: state.sqlite, metadata: [{name: connectionString, value: data/greeter.db}]}\n"
    )
    async with running(folder, "hello:greeter", "--profile", "profile") as process:
        await process.until('"started"')
        assert (folder / "data" / "greeter.db").exists()


async def test_reload_restarts_on_a_change_and_stops_with_0(folder: Path) -> None:
    async with running(folder, "hello:greeter", "--reload") as process:
        await process.until('"started"')
        (folder / "hello.py").write_text(HELLO.replace('"greeter"', '"welcomer"'))
        await process.until("hello.py changed, restarting")
        assert "welcomer.v1" in await process.until('"started"')
        process.signal(signal.SIGINT)
        ended = await process.end()
        assert ended.code == 0
        assert '"stopped"' in ended.out


async def test_reload_waits_for_broken_code_to_be_mended(folder: Path) -> None:
    async with running(folder, "hello:greeter", "--reload") as process:
        await process.until('"started"')
        (folder / "hello.py").write_text("oops(")
        await process.until("SyntaxError")
        (folder / "hello.py").write_text(HELLO)
        await process.until('"started"')
        process.signal(signal.SIGTERM)
        assert (await process.end()).code == 0


def test_help_teaches_by_examples() -> None:
    assert invoke("run", "--help").stdout.count("pillion run") >= 3
