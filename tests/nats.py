"""A real NATS server with JetStream as a child process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pillion.sidecar.ports import free_port
from tests.servers import Server, find_program


def nats(folder: Path) -> Server:
    """A nats-server that keeps its streams in ``folder``, not started yet."""
    port = free_port()
    program = find_program("/usr/sbin/nats-server", "nats-server")
    options = ["--addr", "127.0.0.1", "--port", str(port), "--jetstream", "--store_dir", str(folder / "jetstream")]
    return Server([program, *options], folder, port)


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running nats-server, shared by the tests of one worker: use topics of your own."""
    with nats(tmp_path_factory.mktemp("nats")) as server:
        yield server
