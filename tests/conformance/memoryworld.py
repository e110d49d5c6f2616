"""The world of the memory bridge: hosts of one process that share a broker."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AsyncExitStack
from itertools import count
from typing import Any, Self
from uuid import uuid4

from pillion.bridges.memory.bridge import MemoryBridge
from pillion.bridges.memory.broker import MemoryBroker
from pillion.runtime.host import Host
from pillion.runtime.settings import HostSettings
from pillion.runtime.stores import Stores
from pillion.service.guard import Guard
from pillion.service.service import Service
from pillion.testing.quiet import until_quiet


class MemoryWorld:
    """Implements ``pillion.testing.conformance.world.World``."""

    lacks: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.broker = MemoryBroker()
        self._outsider = MemoryBridge(self.broker)
        self._numbers = count(1)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def name(self, word: str) -> str:
        return f"{word}-{next(self._numbers)}"

    async def start(
        self, *services: Service[Any, Any], guards: Mapping[str, Guard] | None = None, drain_seconds: float = 10.0
    ) -> Host:
        settings = HostSettings(drain_seconds=drain_seconds)
        bridge, stores = MemoryBridge(self.broker), Stores(lambda _: None)
        host = Host(*services, bridge=bridge, stores=stores, settings=settings, guards=guards)
        return await self._stack.enter_async_context(host)

    async def stop(self, host: Host) -> int:
        return await host.stop()

    async def publish_event(self, topic: str, event: bytes) -> None:
        await self._outsider.publish_bytes(topic, event)

    async def publish_data(self, topic: str, data: bytes) -> None:
        envelope = {
            "data": json.loads(data),
            "datacontenttype": "application/json",
            "id": str(uuid4()),
            "pubsubname": "pubsub",
            "source": "plain",
            "specversion": "1.0",
            "time": "2027-01-01T12:30:00Z",
            "topic": topic,
            "traceid": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "tracestate": "",
            "type": "com.dapr.event.sent",
        }
        await self._outsider.publish_bytes(topic, json.dumps(envelope).encode())

    async def publish_raw(self, topic: str, body: bytes) -> None:
        await self._outsider.publish_bytes(topic, body)

    async def quiet(self) -> None:
        await until_quiet(self.broker, None, 10)
