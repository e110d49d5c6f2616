"""Real brokers as child processes, one of each per test worker, on loopback and on ports of their own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn, Self

import pytest

from pillion.sidecar.ports import free_port, is_listening

_START_SECONDS = 60.0
_STOP_SECONDS = 20.0
_POLL_SECONDS = 0.02


class Server:
    """A server process that can be stopped, killed and started again with the data it had.

    Args:
        argv: program and arguments.
        folder: where its data and its log are.
        port: where it listens on 127.0.0.1.
        environment: variables on top of this process's own.
    """

    def __init__(self, argv: list[str], folder: Path, port: int, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.port = port
        self._argv = argv
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it accepts connections."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._argv, env=self._environment, cwd=self.folder, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + _START_SECONDS
        while not is_listening(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"{self._argv[0]} did not start:\n{self._log.read_text(errors='replace')[-2000:]}")
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL when that does not help."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """SIGKILL, to what it started too."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):  # it ended by itself
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
            while is_listening(self.port):  # a child of it, which the kernel takes a moment to end
                time.sleep(_POLL_SECONDS)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def _log(self) -> Path:
        return self.folder / f"{Path(self._argv[0]).name}.log"


def find_program(*names: str) -> str:
    """The first of these programs that is installed; without any, ``skip``."""
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        skip(f"{names[-1]} is not installed")
    return found


def skip(reason: str) -> NoReturn:
    """Skip the test; under PILLION_REQUIRE_ALL=1 fail it instead."""
    if os.environ.get("PILLION_REQUIRE_ALL") == "1":
        pytest.fail(f"{reason}, and PILLION_REQUIRE_ALL=1 says that nothing may be skipped", pytrace=False)
    pytest.skip(reason)


def redis(folder: Path) -> Server:
    """A Redis that keeps what it accepted (appendonly), not started yet."""
    port = free_port()
    options = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), "--appendonly", "yes", "--save", ""]
    return Server([find_program("redis-server"), *options], folder, port)


def epmd(folder: Path) -> Server:
    """Erlang's port mapper, not started yet: one that RabbitMQ starts by itself would outlive it."""
    port = free_port()
    return Server([find_program("epmd"), "-port", str(port), "-address", "127.0.0.1"], folder, port)


def rabbitmq(folder: Path, mapper: Server) -> Server:
    """A RabbitMQ with user guest, password guest, not started yet; ``mapper`` is a running ``epmd``."""
    port = free_port()
    # Debian's wrapper in /usr/sbin changes the user and drops the environment.
    program = find_program("/usr/lib/rabbitmq/bin/rabbitmq-server", "rabbitmq-server")
    environment = {
        "HOME": str(folder),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(mapper.port),
        "RABBITMQ_CONFIG_FILE": str(folder / "none"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_NODENAME": f"pillion{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
    }
    return Server([program], folder, port, environment)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running Redis, shared by the tests of one worker: use topics and keys of your own."""
    with redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def rabbitmq_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running RabbitMQ, shared by the tests of one worker: use topics of your own."""
    folder = tmp_path_factory.mktemp("rabbitmq")
    with epmd(folder) as mapper, rabbitmq(folder, mapper) as server:
        yield server
