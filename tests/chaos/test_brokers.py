from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import nats
import pytest
from nats.js.api import ConsumerConfig
from nats.js.errors import BadRequestError
from paho.mqtt.client import Client, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from tests.chaos.brokers import BROKERS, LACKS, Broker
from tests.chaos.faults import FAULTS


@pytest.fixture
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    with ExitStack() as stack:
        yield BROKERS[request.param](tmp_path, stack, None)


async def publish_to_nats(broker: Broker) -> None:
    async with await nats.connect(f"nats://{broker.server.address}") as client:
        jetstream = client.jetstream()
        await jetstream.add_stream(name="placed", subjects=["placed"])
        await jetstream.add_consumer("placed", ConsumerConfig(durable_name="inventory"))
        await jetstream.publish("placed", b"an order")


def connected(broker: Broker, name: str) -> Client:
    """A client whose session outlives it."""
    client = Client(CallbackAPIVersion.VERSION2, name, False, None, MQTTv311)
    client.connect("127.0.0.1", broker.server.port)
    return client


def subscribe(broker: Broker, name: str) -> None:
    granted: list[bool] = []
    client = connected(broker, name)
    client.on_subscribe = lambda *_: granted.append(True)
    while not client.is_connected():
        client.loop(0.1)
    client.subscribe("placed", 1)
    while not granted:
        client.loop(0.1)
    client.disconnect()


def until_waiting(broker: Broker, groups: tuple[str, ...], messages: int) -> None:
    """A broker counts, or writes its file, a little after it has accepted a message."""
    assert broker.waiting is not None
    limit = time.monotonic() + 20
    while (found := broker.waiting(groups)) != messages:
        assert time.monotonic() < limit, found
        time.sleep(0.02)


@pytest.mark.nats
@pytest.mark.parametrize("broker", ["nats"], indirect=True)
def test_nats_says_what_waits_for_a_group(broker: Broker) -> None:
    assert broker.waiting is not None
    asyncio.run(publish_to_nats(broker))
    until_waiting(broker, ("inventory",), 1)
    assert broker.waiting(("orders",)) == 0


@pytest.mark.nats
@pytest.mark.parametrize("broker", ["nats"], indirect=True)
def test_a_full_nats_refuses_and_keeps_what_it_has(broker: Broker) -> None:
    assert broker.fill
    assert broker.empty
    asyncio.run(publish_to_nats(broker))
    broker.fill()
    with pytest.raises(BadRequestError):
        asyncio.run(publish_to_nats(broker))
    broker.empty()
    until_waiting(broker, ("inventory",), 1)


@pytest.mark.mqtt
@pytest.mark.parametrize("broker", ["mqtt"], indirect=True)
def test_mqtt_says_what_waits_for_a_group(broker: Broker) -> None:
    assert broker.waiting is not None
    subscribe(broker, "inventory")
    subscribe(broker, "payments-slow")
    client = connected(broker, "outside")
    client.loop_start()
    for _ in range(3):
        client.publish("placed", b"an order", 1).wait_for_publish(20.0)
    client.loop_stop()
    client.disconnect()
    until_waiting(broker, ("inventory", "payments"), 6)
    assert broker.waiting(("inventory",)) == 3
    assert broker.waiting(("orders",)) == 0


def test_what_a_broker_lacks_is_a_fault_of_the_table() -> None:
    assert LACKS.keys() <= BROKERS.keys()
    assert {name for lacks in LACKS.values() for name in lacks} <= FAULTS.keys()
