from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import yaml

from pillion.cli.dev import find_profile
from pillion.errors import ConfigurationError
from pillion.sidecar.child import Child
from pillion.sidecar.ports import free_port
from tests.daprd import require_daprd

APP = """
import http.server, os, signal, socket, sys

class Handler(http.server.BaseHTTPRequestHandler):
    asked = 0
    def do_GET(self):
        unready = os.environ["APP_ID"] == "unready" and self.path == "/readyz"
        Handler.asked += unready
        if Handler.asked == 3:
            os._exit(1)
        self.send_error(503 if unready else 404)
    def log_message(self, *_):
        pass

def leave(*_):
    with socket.socket() as client:
        gone = client.connect_ex(("127.0.0.1", int(os.environ["DAPR_HTTP_PORT"]))) != 0
    print(f"sidecar gone before me: {gone}")
    sys.exit(0)

signal.signal(signal.SIGTERM, signal.SIG_IGN if os.environ["APP_ID"] == "stubborn" else leave)
names = "APP_ID APP_PORT APP_PROTOCOL DAPR_HTTP_PORT DAPR_GRPC_PORT GREETING PILLION_PROFILE".split()
print("version 1", *(f"{name}={os.environ.get(name)}" for name in names))
print(f"runs in {sys.prefix}")
if os.environ["APP_ID"] == "sick":
    sys.exit("no more")
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["APP_PORT"])), Handler).serve_forever()
"""

COMPONENT = """
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: pubsub}
spec: {type: pubsub.in-memory, version: v1}
"""

DATABASE = """
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: mine-state}
spec: {type: state.postgresql, version: v2, metadata: [{name: connectionString, value: "ADDRESS"}]}
"""


@pytest.fixture(autouse=True)
def daprd_binary() -> None:
    require_daprd()


class Dev:
    """``pillion dev`` as a process, and its output."""

    def __init__(self, run_file: Path, *arguments: str) -> None:
        self._lines: asyncio.Queue[str] = asyncio.Queue()
        argv = (sys.executable, "-m", "pillion", "dev", "-f", str(run_file), *arguments)
        self.process = Child(argv, os.environ, output=self._lines.put_nowait)

    async def line(self, part: str) -> str:
        """The next line that contains this."""
        passed: list[str] = []
        try:
            async with asyncio.timeout(30):
                while part not in (line := await self._lines.get()):
                    passed.append(line)
        except TimeoutError:
            pytest.fail(f"no line with {part!r} among\n" + "\n".join(passed))
        return line

    async def ended(self) -> int:
        async with asyncio.timeout(30):
            return await self.process.wait()

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)


Start = Callable[..., AbstractAsyncContextManager[Dev]]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    @asynccontextmanager
    async def started(
        *arguments: str, app_ids: tuple[str, ...] = ("one",), folders: tuple[str, ...] = ()
    ) -> AsyncIterator[Dev]:
        dev = Dev(write_run_file(tmp_path, app_ids, folders), *arguments)
        await dev.process.start()
        try:
            yield dev
        finally:
            await dev.process.stop(grace=25)

    return started


def write_run_file(folder: Path, app_ids: tuple[str, ...], folders: tuple[str, ...]) -> Path:
    (folder / "empty").mkdir()
    (folder / "config.yaml").write_text("apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {name: c}\n")
    (folder / "components/memory").mkdir(parents=True)
    (folder / "components/memory/pubsub.yaml").write_text(COMPONENT)
    for name in ("mine", "theirs"):
        (folder / "components/state" / name).mkdir(parents=True)
        state = COMPONENT.replace("pubsub.in-memory", "state.in-memory").replace("name: pubsub", f"name: {name}-state")
        (folder / "components/state" / name / "state.yaml").write_text(state)
    for app_id in app_ids:
        (folder / app_id).mkdir()
        (folder / app_id / "app.py").write_text(APP)
    apps = "\n".join(
        f"- {{appID: {app_id}, appDirPath: {app_id}, appPort: {free_port()}, command: [python, app.py]}}"
        for app_id in app_ids
    )
    paths = ", ".join(f"components/{name}" for name in folders) or "empty"
    common = f"common: {{resourcesPaths: [{paths}], configFilePath: config.yaml, env: {{GREETING: hello}}}}"
    path = folder / "dapr.yaml"
    path.write_text(f"version: 1\n{common}\napps:\n{apps}\n")
    return path


def column(row: str, number: int) -> int:
    return int(row.split()[number])


async def components(port: int) -> set[str]:
    """Names of what the sidecar with this port has loaded."""
    address = f"http://127.0.0.1:{port}/v1.0/metadata"
    async with aiohttp.ClientSession() as session, session.get(address) as answer:
        return {component["name"] for component in (await answer.json())["components"]}


@pytest.mark.daprd
class TestDev:
    async def test_it_runs_every_app_and_says_where(self, start: Start) -> None:
        async with start(app_ids=("one", "two")) as dev:
            await dev.line("all are ready")
            await dev.line("SIDECAR PID")
            one, two = await dev.line("one "), await dev.line("two ")
        assert column(one, 2) != column(two, 2)

    async def test_only_the_named_apps_run(self, start: Start) -> None:
        async with start("two", app_ids=("one", "two")) as dev:
            await dev.line("SIDECAR PID")
            assert (await dev.line("")).startswith("two ")

    async def test_the_app_gets_the_variables_of_dapr_run(self, start: Start) -> None:
        async with start() as dev:
            line = await dev.line("version 1")
        assert line.startswith("one | version 1 APP_ID=one APP_PORT=")
        assert "APP_PROTOCOL=http" in line
        assert "GREETING=hello" in line
        assert "DAPR_GRPC_PORT=None" not in line

    async def test_python_is_the_one_that_runs_pillion(self, start: Start) -> None:
        async with start() as dev:
            assert (await dev.line("runs in ")).endswith(f"runs in {sys.prefix}")

    async def test_a_profile_replaces_the_components(self, start: Start, tmp_path: Path) -> None:
        async with start("--profile", "memory") as dev:
            assert f"PILLION_PROFILE={tmp_path}/components/memory" in await dev.line("version 1")
            await dev.line("SIDECAR PID")
            assert await components(column(await dev.line("one "), 2)) == {"pubsub"}

    async def test_a_profile_replaces_only_the_folder_beside_it(self, start: Start, tmp_path: Path) -> None:
        async with start("--profile", "state/mine", "--profile", "memory", folders=("memory", "state/theirs")) as dev:
            variable = f"PILLION_PROFILE={tmp_path}/components/memory:{tmp_path}/components/state/mine"
            assert variable in await dev.line("version 1")
            await dev.line("SIDECAR PID")
            names = await components(column(await dev.line("one "), 2))
        assert names == {"pubsub", "mine-state"}

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    async def test_a_signal_stops_the_sidecar_before_its_app(self, start: Start, number: signal.Signals) -> None:
        async with start() as dev:
            await dev.line("all are ready")
            dev.signal(number)
            await dev.line("sidecar gone before me: True")
            assert await dev.ended() == 0

    async def test_a_second_signal_kills_what_will_not_stop(self, start: Start) -> None:
        async with start(app_ids=("stubborn",)) as dev:
            await dev.line("all are ready")
            dev.signal(signal.SIGINT)
            await dev.line("stopping")
            dev.signal(signal.SIGINT)
            await dev.line("killed before everything had stopped")
            assert await dev.ended() == 0

    async def test_an_app_that_dies_stops_all_and_its_last_lines_are_shown(self, start: Start) -> None:
        async with start(app_ids=("one", "sick")) as dev:
            await dev.line("the app of sick ended with exit code 1")
            await dev.line("| no more")
            await dev.line("sidecar gone before me: True")
            assert await dev.ended() == 1

    async def test_a_sidecar_that_dies_stops_all(self, start: Start) -> None:
        async with start() as dev:
            await dev.line("SIDECAR PID")
            os.kill(column(await dev.line("one "), 5), signal.SIGKILL)
            await dev.line("the sidecar of one ended with exit code -9")
            assert await dev.ended() == 1

    async def test_a_sidecar_that_cannot_start_is_told_with_its_last_lines(self, start: Start, tmp_path: Path) -> None:
        async with start("--profile", "broken") as dev:
            assert await dev.ended() == 2
        (tmp_path / "components/broken").mkdir()
        (tmp_path / "components/broken/pubsub.yaml").write_text(COMPONENT.replace("in-memory", "no-such-thing"))
        dev = Dev(tmp_path / "dapr.yaml", "--profile", "broken")
        await dev.process.start()
        await dev.line("no-such-thing")
        assert await dev.ended() == 1

    async def test_a_server_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        run_file, port = write_run_file(tmp_path, ("one",), ("memory", "state/theirs")), free_port()
        address = f"postgres://pillion@127.0.0.1:{port}/pillion"
        (tmp_path / "components/state/mine/state.yaml").write_text(DATABASE.replace("ADDRESS", address))
        dev = Dev(run_file, "--profile", "state/mine")
        await dev.process.start()
        # Before, or just after the sidecar has said that it is ready: which of them is daprd's luck.
        await dev.line("ended with exit code 1")
        await dev.line(f"127.0.0.1:{port}: no server there (Connection refused), which mine-state need -> start it")
        assert await dev.ended() == 1

    async def test_a_change_restarts_the_app_and_its_sidecar(self, start: Start, tmp_path: Path) -> None:
        async with start("--reload", app_ids=("one", "two")) as dev:
            await dev.line("all are ready")
            (tmp_path / "two/app.py").write_text(APP.replace("version 1", "version 2"))
            await dev.line("restarting two")
            await dev.line("two | sidecar gone before me: True")
            await dev.line("two | version 2")
            await dev.line("two is up")

    async def test_an_app_broken_by_a_change_waits_for_the_next_one(self, start: Start, tmp_path: Path) -> None:
        async with start("--reload") as dev:
            await dev.line("all are ready")
            (tmp_path / "one/app.py").write_text("this is no python")
            await dev.line("waiting for a change")
            (tmp_path / "one/app.py").write_text(APP)
            await dev.line("one is up")
            dev.signal(signal.SIGTERM)
            assert await dev.ended() == 0

    async def test_logs_go_where_dapr_puts_them(self, start: Start, tmp_path: Path) -> None:
        async with start() as dev:
            await dev.line("all are ready")
            kinds = {path.name.split("_")[1] for path in (tmp_path / "one/.dapr/logs").iterdir()}
        assert kinds == {"app", "daprd"}

    async def test_an_app_that_fails_while_it_starts_is_never_up(self, start: Start, tmp_path: Path) -> None:
        async with start(app_ids=("unready",)) as dev:
            told = []
            while "the app of unready ended with exit code 1" not in (line := await dev.line("")):
                told.append(line)
            assert await dev.ended() == 1
        assert not any("is up" in line for line in told)

    async def test_a_port_that_somebody_has_is_told_before_anything_starts(self, tmp_path: Path) -> None:
        run_file = write_run_file(tmp_path, ("one", "two"), ())
        port = yaml.safe_load(run_file.read_text())["apps"][1]["appPort"]
        dev = Dev(run_file)
        with socket.create_server(("127.0.0.1", port)):
            await dev.process.start()
            assert "another process listens on the port of two" in await dev.line("")
            assert await dev.ended() == 2

    async def test_an_unknown_app_is_refused(self, start: Start) -> None:
        async with start("three") as dev:
            await dev.line("has no app 'three'; it has one")
            assert await dev.ended() == 2


class TestProfile:
    def test_a_name_is_a_folder_below_components(self, tmp_path: Path) -> None:
        (tmp_path / "components/redis").mkdir(parents=True)
        assert find_profile(tmp_path / "dapr.yaml", "redis") == tmp_path / "components/redis"

    def test_any_folder_will_do(self, tmp_path: Path) -> None:
        (tmp_path / "mine").mkdir()
        assert find_profile(tmp_path / "dapr.yaml", str(tmp_path / "mine")) == tmp_path / "mine"

    def test_an_unknown_name_is_answered_with_those_there_are(self, tmp_path: Path) -> None:
        (tmp_path / "components/redis").mkdir(parents=True)
        (tmp_path / "components/state/sqlite").mkdir(parents=True)
        with pytest.raises(ConfigurationError, match="profiles there: redis, state/sqlite"):
            find_profile(tmp_path / "dapr.yaml", "kafka")
