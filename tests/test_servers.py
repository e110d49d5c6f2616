"""The servers that other tests rely on: they come back with their data, and are not missing silently."""

from __future__ import annotations

import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from pillion.sidecar.ports import is_listening
from tests.servers import Server, epmd, find_postgresql, find_program, kafka, postgresql, rabbitmq, redis


def ask(server: Server, line: str) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(line.encode())
        return connection.recv(100)


def query(server: Server, sql: str) -> str:
    address = f"postgres://pillion@{server.address}/pillion"
    argv = [find_postgresql("psql"), "-At", "-c", sql, address]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.redis
def test_a_killed_redis_comes_back_with_its_data(tmp_path: Path) -> None:
    with redis(tmp_path) as server:
        ask(server, "SET a 1\r\n")
        server.kill()
        server.start()
        assert ask(server, "GET a\r\n") == b"$1\r\n1\r\n"


@pytest.mark.rabbitmq
def test_a_killed_rabbitmq_is_gone_and_comes_back(tmp_path: Path) -> None:
    with epmd(tmp_path) as mapper, rabbitmq(tmp_path, mapper) as server:
        server.kill()
        assert not is_listening(server.port)
        server.start()
        assert ask(server, "AMQP????") == b"AMQP\x00\x00\x09\x01"


def test_a_missing_program_skips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PILLION_REQUIRE_ALL", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-server is not installed"):
        find_program("no-such-server")


def test_a_missing_program_fails_where_everything_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILLION_REQUIRE_ALL", "1")
    with pytest.raises(pytest.fail.Exception, match="no-such-server is not installed"):
        find_program("no-such-server")


@pytest.mark.postgresql
def test_a_killed_postgresql_comes_back_with_its_data() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with postgresql(Path(folder)) as server:
            query(server, "CREATE TABLE kept AS SELECT 41 + 1 AS answer")
            server.kill()
            server.start()
            assert query(server, "SELECT answer FROM kept") == "42"


@pytest.mark.kafka
def test_a_killed_kafka_is_gone_and_comes_back(tmp_path: Path) -> None:
    with kafka(tmp_path) as server:
        server.kill()
        assert not is_listening(server.port)
        server.start()
        assert is_listening(server.port)
