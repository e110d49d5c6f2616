"""Real brokers as child processes, one of each per test worker, on loopback and on ports of their own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NoReturn, Self

import pytest

from pillion.sidecar.ports import free_port, is_listening

_START_SECONDS = 60.0
_STOP_SECONDS = 20.0
_POLL_SECONDS = 0.02
_KAFKA_CLUSTER = "cGlsbGlvbi10ZXN0cy0wMQ"  # any 16 bytes


class Server:
    """A server process that can be stopped, killed and started again with the data it had.

    Args:
        argv: program and arguments.
        folder: where its data and its log are.
        port: where it listens on 127.0.0.1.
        environment: variables on top of this process's own.
        user: to run as; None is this process's own.
        stop_signal: what ends it in good order.
        ready: whether it serves; None is when it accepts connections.
    """

    def __init__(
        self,
        argv: list[str],
        folder: Path,
        port: int,
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        ready: Callable[[], bool] | None = None,
    ) -> None:
        self.folder = folder
        self.port = port
        self._argv = argv
        self._environment = {**os.environ, **(environment or {})}
        self._user = user
        self._stop_signal = stop_signal
        self._ready = ready or (lambda: is_listening(port))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it serves."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._argv,
                env=self._environment,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=self._user,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._ready():
            if self._ends_within(_POLL_SECONDS) or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"{self._argv[0]} did not start:\n{self._log.read_text(errors='replace')[-2000:]}")

    def stop(self) -> None:
        """Its stop signal, and SIGKILL when that does not help."""
        if self._process is None:
            return
        self._process.send_signal(self._stop_signal)
        if not self._ends_within(_STOP_SECONDS):
            self.kill()
        self._process = None

    def kill(self) -> None:
        """SIGKILL, to what it started too."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):  # it ended by itself
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
            self._wait_until_gone()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _wait_until_gone(self) -> None:
        """A child of it takes the kernel a moment to end; until then it is connected to, and is cut off as it ends."""
        with contextlib.suppress(ConnectionRefusedError):
            while True:
                address = ("127.0.0.1", self.port)
                with (
                    contextlib.suppress(ConnectionResetError),
                    socket.create_connection(address, _STOP_SECONDS) as connection,
                ):
                    while connection.recv(1024):
                        pass

    def _ends_within(self, seconds: float) -> bool:
        assert self._process is not None
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

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


def postgresql(folder: Path) -> Server:
    """A PostgreSQL with user and database pillion that asks for no password, not started yet.

    It refuses to run as root, so then the user postgres runs it, who must be able to enter ``folder``.
    """
    port = free_port()
    user = "postgres" if os.geteuid() == 0 else None
    data = folder / "postgresql"
    data.mkdir()
    if user:
        shutil.chown(data, user)
    initdb = find_postgresql("initdb")
    options = ["--pgdata", str(data), "--username", "pillion", "--auth", "trust", "--no-sync", "--encoding", "UTF8"]
    subprocess.run([initdb, *options], user=user, cwd=data, check=True, capture_output=True)
    with (data / "postgresql.conf").open("a") as settings:
        settings.write(f"listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = ''\n")
    # The database of the user's name, made by the server alone, before anybody can connect.
    create = [find_postgresql("postgres"), "--single", "-D", str(data), "postgres"]
    subprocess.run(create, user=user, cwd=data, check=True, capture_output=True, input=b"CREATE DATABASE pillion;\n")
    probe = [find_postgresql("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]

    def is_ready() -> bool:
        """After a crash it accepts connections only to refuse them, until it has put its files in order."""
        return subprocess.run(probe, check=False).returncode == 0

    # SIGTERM would wait for clients to leave.
    argv = [find_postgresql("postgres"), "-D", str(data)]
    return Server(argv, data, port, user=user, stop_signal=signal.SIGINT, ready=is_ready)


def kafka(folder: Path, front: int | None = None) -> Server:
    """A Kafka of one node that makes topics when they are first used, not started yet.

    ``front`` is the port of a proxy: clients are told that the node is there.
    """
    port, controller = free_port(), free_port()
    settings = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{front or port}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": str(folder / "log"),
        "num.partitions": "3",
        "offsets.topic.num.partitions": "3",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        # By default the first member of a group waits 3 s for others.
        "group.initial.rebalance.delay.ms": "0",
    }
    file = folder / "kafka.properties"
    file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    java = [find_program("java"), "-cp", find_kafka(), "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    java += ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
    storage = ["kafka.tools.StorageTool", "format", "--cluster-id", _KAFKA_CLUSTER, "--config", str(file)]
    subprocess.run([*java, *storage], check=True, capture_output=True)
    return Server([*java, "kafka.Kafka", str(file)], folder, port)


def find_kafka() -> str:
    """The Java class path of the newest Kafka that ``make kafka`` fetched; without any, ``skip``."""
    cache = Path(os.environ.get("PILLION_CACHE") or Path.home() / ".cache" / "pillion")
    found = sorted(folder for folder in cache.glob("kafka/*") if folder.suffix.lstrip(".").isdigit())
    if not found:
        skip("Kafka is not there (`make kafka` fetches it)")
    return f"{found[-1]}/*"


def find_postgresql(name: str) -> str:
    """A program of the newest PostgreSQL; Debian keeps them off the PATH. Without any, ``skip``."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return str(found[-1]) if found else find_program(name)


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


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Server]:
    """A running PostgreSQL, shared by the tests of one worker: use tables or keys of your own."""
    # Not in pytest's own folder, which nobody but its owner may enter.
    with tempfile.TemporaryDirectory(prefix="pillion-postgresql-") as folder:
        Path(folder).chmod(0o755)
        with postgresql(Path(folder)) as server:
            yield server


@pytest.fixture(scope="session")
def kafka_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running Kafka, shared by the tests of one worker: use topics of your own."""
    with kafka(tmp_path_factory.mktemp("kafka")) as server:
        yield server
