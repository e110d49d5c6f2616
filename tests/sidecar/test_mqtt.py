"""Taking over an MQTT session, at a real broker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Event
from uuid import uuid4

import pytest
from paho.mqtt.client import Client, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from pillion.errors import ConfigurationError, SidecarError
from pillion.sidecar.mqtt import take_over
from pillion.sidecar.ports import free_port
from tests.servers import Server

pytestmark = pytest.mark.mqtt
TOPIC = "tests.take-over"


@pytest.fixture
def name() -> str:
    return uuid4().hex


@pytest.fixture
def url(mqtt_server: Server) -> str:
    return f"tcp://{mqtt_server.address}"


class Forgetful:
    """A client with a session, that acknowledges nothing."""

    def __init__(self, server: Server, name: str) -> None:
        self.got = SimpleQueue[bytes]()
        self._server = server
        self._subscribed = Event()
        self.client = Client(CallbackAPIVersion.VERSION2, name, False, None, MQTTv311, manual_ack=True)
        self.client.on_message = lambda *given: self.got.put(given[2].payload)
        self.client.on_subscribe = lambda *_: self._subscribed.set()

    @contextmanager
    def connected(self) -> Iterator[None]:
        self.client.connect("127.0.0.1", self._server.port)
        self.client.loop_start()
        try:
            yield
        finally:
            self.client.disconnect()
            self.client.loop_stop()

    def subscribe(self) -> None:
        self.client.subscribe(TOPIC, 1)
        assert self._subscribed.wait(20)


def test_the_client_gets_again_what_it_did_not_acknowledge(mqtt_server: Server, url: str, name: str) -> None:
    forgetful = Forgetful(mqtt_server, name)
    with forgetful.connected():
        forgetful.subscribe()
        forgetful.client.publish(TOPIC, b"important", 1)
        assert forgetful.got.get(timeout=20) == b"important"
        assert take_over(url, name)
        assert forgetful.got.get(timeout=20) == b"important"


def test_a_session_that_is_not_there_is_told_and_not_made(url: str, name: str) -> None:
    assert not take_over(url, name)
    assert not take_over(url, name)


def test_a_broker_that_is_not_there_is_named() -> None:
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(SidecarError, match=address):
        take_over(f"tcp://{address}", "somebody")


@pytest.mark.parametrize(
    "wrong", ["127.0.0.1:1883", "http://ada:hidden@host", "tcp://ada:hidden@", "tcp://hidden:port"]
)
def test_what_is_no_address_is_refused_without_showing_it(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match="mqtt-url is no address") as caught:
        take_over(wrong, "somebody")
    assert "hidden" not in str(caught.value)
