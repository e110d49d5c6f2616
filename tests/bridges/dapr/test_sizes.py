"""What waits while an app is away comes together, and may be larger in all than one message may be."""

from __future__ import annotations

import json

from pillion import Contract, Service
from pillion.runtime.beside import host_beside_sidecar
from pillion.runtime.settings import HostSettings
from pillion.sidecar.ports import free_port
from pillion.testing.conformance.world import Seen
from pillion.testing.sidecar import FakeBroker, FakeSidecar
from pillion.testing.sidecar.broker import Stored

LARGEST = 4000
WAITING = 50

told = Contract("source").event("told", str)


def stored(number: int) -> Stored:
    event = {"specversion": "1.0", "id": str(number), "source": "/x", "type": told.address, "data": "x" * 3500}
    return Stored(json.dumps(event).encode())


async def test_a_backlog_larger_than_a_message_may_be_is_handled() -> None:
    service, heard, broker, port = Service("sink"), Seen[int](), FakeBroker(), free_port()

    @service.on(told)
    async def hear(text: str) -> None:
        heard.add(len(text))

    for number in range(WAITING):
        broker.publish(told.topic, stored(number))
    async with FakeSidecar(broker, "sink", port) as sidecar:
        environ = {"APP_ID": "sink", "APP_PORT": str(port), "DAPR_HTTP_PORT": str(sidecar.http_port)}
        async with host_beside_sidecar([service], HostSettings(max_body_bytes=LARGEST), environ):
            assert await heard.wait(WAITING) == [3500] * WAITING
