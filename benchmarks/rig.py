"""A rig: the processes of one benchmark, all on loopback and all gone afterwards."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

from pillion.errors import ConfigurationError
from pillion.sidecar.child import Child
from pillion.sidecar.ports import free_port, is_listening
from pillion.sidecar.process import Daprd, DaprdOptions, find_daprd

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 30.0
STOP_SECONDS = 10.0
_POLL_SECONDS = 0.02
_LONGEST_LINE = 1 << 20


class MissingError(Exception):
    """A benchmark cannot run here; the text says what is missing."""


def require(*, daprd: bool = False, redis: bool = False, modules: tuple[str, ...] = ()) -> None:
    """Check that a benchmark has what it needs.

    Raises:
        MissingError: something is missing.
    """
    if redis and shutil.which("redis-server") is None:
        raise MissingError("redis-server is not installed")
    if daprd:
        try:
            find_daprd()
        except ConfigurationError as error:
            raise MissingError(str(error)) from error
    for name in modules:
        if importlib.util.find_spec(name) is None:
            raise MissingError(f"Python package {name} is not installed")


def port() -> int:
    """A free port below the range from which the kernel takes ports for outgoing connections."""
    while (found := free_port()) >= 32768:
        candidate = 12000 + found % 20000
        if not is_listening(candidate):
            return candidate
    return found


def cpu_seconds(pid: int) -> float:
    """CPU that the threads of this process have used, user and system, in seconds."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


class App:
    """A Python program under test. It reads questions from stdin and answers on stdout, a line of JSON each.

    Args:
        argv: what follows ``python``.
        environment: variables on top of this process's own.
        log: file of its error output.
    """

    def __init__(self, argv: tuple[str, ...], environment: Mapping[str, str], log: Path) -> None:
        self._argv = argv
        self._environment = {**os.environ, **environment}
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """Process id."""
        return self._running().pid

    async def start(self) -> None:
        """Start it; does not wait."""
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *self._argv,
                cwd=ROOT,
                env=self._environment,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                limit=_LONGEST_LINE,
                start_new_session=True,
            )

    async def listening(self, at: int) -> None:
        """Wait until it accepts connections on this port."""
        async with asyncio.timeout(START_SECONDS):
            while not is_listening(at):
                if self._running().returncode is not None:
                    raise RuntimeError(self._ended())
                await asyncio.sleep(_POLL_SECONDS)

    async def ask(self, question: Mapping[str, Any], within: float = 60.0) -> dict[str, Any]:
        """Send a question and wait for the answer, for ``within`` seconds."""
        process = self._running()
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("started without pipes")
        process.stdin.write(json.dumps(question).encode() + b"\n")
        async with asyncio.timeout(within):
            while line := await process.stdout.readline():
                if line.startswith(b'{"answer"'):
                    return dict(json.loads(line)["answer"])
        raise RuntimeError(self._ended())

    async def stop(self) -> None:
        """SIGTERM, then SIGKILL."""
        process = self._running()
        if process.returncode is not None:
            return
        os.killpg(process.pid, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise RuntimeError("not started")
        return self._process

    def _ended(self) -> str:
        return f"{' '.join(self._argv)} ended early:\n{self._log.read_text(errors='replace')[-3000:]}"


class Rig:
    """Starts what a benchmark needs, in a temporary folder; ``async with`` stops it all, the last started first."""

    def __init__(self) -> None:
        self.folder = Path()
        self.redis_port = 0
        self._stack = AsyncExitStack()
        self._sidecars: list[Daprd] = []
        self._apps = 0

    async def __aenter__(self) -> Self:
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="pillion-bench-")))
        return self

    async def __aexit__(self, *_: object) -> None:
        # The sidecars first, all at once: each takes two seconds to drain, and needs its application while it does.
        await asyncio.gather(*(sidecar.stop() for sidecar in self._sidecars))
        await self._stack.aclose()

    @property
    def redis_url(self) -> str:
        """Address for clients without a sidecar."""
        return f"redis://127.0.0.1:{self.redis_port}"

    @property
    def profile(self) -> Path:
        """The Redis profile of the project, with the port of this rig's Redis."""
        return self.folder / "components"

    async def redis(self) -> None:
        """A Redis that writes nothing to disk (the project's advice is appendonly): all sides get the same one."""
        self.redis_port = port()
        options = ("--bind", "127.0.0.1", "--port", str(self.redis_port), "--dir", str(self.folder), "--save", "")
        server = Child(("redis-server", *options, "--appendonly", "no"), os.environ)
        await server.start()
        self._stack.push_async_callback(server.stop, STOP_SECONDS)
        async with asyncio.timeout(START_SECONDS):
            while not is_listening(self.redis_port):  # noqa: ASYNC110 - no event: another process
                await asyncio.sleep(_POLL_SECONDS)
        self._write_profile()

    def after(self, stop: Callable[[], Awaitable[object]]) -> None:
        """Call this when the rig is taken down."""
        self._stack.push_async_callback(stop)

    async def app(self, *argv: str, **environment: str) -> App:
        """Start ``python ARGV``."""
        self._apps += 1
        app = App(argv, environment, self.folder / f"app{self._apps}.log")
        await app.start()
        self._stack.push_async_callback(app.stop)
        return app

    async def sidecar(self, options: DaprdOptions) -> Daprd:
        """Start a daprd beside an application that listens; returns when it serves it.

        One after another: the first makes the file of the name resolution.
        """
        sidecar = Daprd(options)
        await sidecar.start()
        self._sidecars.append(sidecar)
        await sidecar.wait_ready()
        return sidecar

    def options(self, app_id: str, app_port: int) -> DaprdOptions:
        """How a daprd of this rig is started."""
        return DaprdOptions(
            app_id=app_id,
            app_port=app_port,
            http_port=port(),
            grpc_port=port(),
            internal_grpc_port=port(),
            resources_paths=(self.profile,),
            config_path=self.folder / "config.yaml",
            log_level="warn",
        )

    def _write_profile(self) -> None:
        shutil.copytree(ROOT / "components" / "redis", self.profile)
        shutil.copytree(ROOT / "components" / "state" / "redis", self.profile, dirs_exist_ok=True)
        secrets = ROOT / "components" / "secrets.example.json"
        for file in self.profile.glob("*.yaml"):
            text = file.read_text().replace("127.0.0.1:6379", f"127.0.0.1:{self.redis_port}")
            text = text.replace("data/", f"{self.folder}/")
            file.write_text(text.replace("components/secrets.example.json", str(secrets)))
        config = (ROOT / "components" / "config.yaml").read_text()
        (self.folder / "config.yaml").write_text(config.replace("data/names.db", str(self.folder / "names.db")))


def sidecar_environment(options: DaprdOptions) -> dict[str, str]:
    """What daprd's side tells an application beside it."""
    return {
        "APP_ID": options.app_id,
        "APP_PORT": str(options.app_port),
        "DAPR_HTTP_PORT": str(options.http_port),
        "DAPR_GRPC_PORT": str(options.grpc_port),
    }
