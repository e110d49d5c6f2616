"""A real MQTT broker as a child process, with the configuration that the profile ships."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from pathlib import Path

import pytest

from pillion.sidecar.ports import free_port
from tests.profiles import COMPONENTS
from tests.servers import Server, find_program


def mosquitto(folder: Path) -> Server:
    """A Mosquitto with ``components/mqtt/mosquitto.conf`` on a port of its own, not started yet."""
    port = free_port()
    text = (COMPONENTS / "mqtt" / "mosquitto.conf").read_text().replace("listener 1883", f"listener {port}")
    file = folder / "mosquitto.conf"
    # Started by root it would change the user and then not be allowed to write here.
    file.write_text(f"{text}user {getpass.getuser()}\n")
    return Server([find_program("/usr/sbin/mosquitto", "mosquitto"), "-c", str(file)], folder, port)


@pytest.fixture(scope="session")
def mqtt_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running Mosquitto, shared by the tests of one worker: use topics of your own."""
    with mosquitto(tmp_path_factory.mktemp("mosquitto")) as server:
        yield server
