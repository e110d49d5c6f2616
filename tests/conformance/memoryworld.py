"""The world of the memory bridge: hosts of one process that share a broker."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from itertools import count
from typing import Any, Self
from uuid import uuid4

from pillion.bridges.memory.bridge import MemoryBridge
from pillion.bridges.memory.broker import MemoryBroker
from pillion.pipeline.facilities import LONGEST_WAIT
from pillion.runtime.host import Host
from pillion.runtime.settings import HostSettings
from pillion.runtime.stores import Stores
from pillion.service.guard import Guard
from pillion.service.service import Service
from pillion.stores.memory import MemoryStateStore
from pillion.testing.conformance.world import Publish
from pillion.testing.quiet import until_quiet


class MemoryWorld:
    """Implements ``pillion.testing.conformance.world.World``."""

    lacks: frozenset[str] = frozenset()
    state = "conformance-state"

    def __init__(self, settings: HostSettings | None = None) -> None:
        self._settings = settings or HostSettings()
        self.broker = MemoryBroker()
        self._outsider = MemoryBridge(self.broker)
        self._numbers = count(1)
        self._stack = AsyncExitStack()
        self._stores: dict[str, MemoryStateStore] = {}
        self._hosts: list[Host] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def name(self, word: str) -> str:
        return f"{word}-{next(self._numbers)}"

    async def start(
        self,
        *services: Service[Any, Any],
        guards: Mapping[str, Guard] | None = None,
        publishing: Callable[[Publish], Publish] | None = None,
        drain_seconds: float = 10.0,
        longest_wait: float = LONGEST_WAIT,
    ) -> Host:
        given = {"drain_seconds": drain_seconds, "longest_wait": longest_wait}
        settings = self._settings.model_copy(update=given)
        bridge, stores = MemoryBridge(self.broker), Stores(self._store)
        if publishing is not None:
            bridge.publish = publishing(bridge.publish)  # type: ignore[assignment]
        host = Host(*services, bridge=bridge, stores=stores, settings=settings, guards=guards)
        self._hosts.append(host)
        return await self._stack.enter_async_context(host)

    def _store(self, component: str) -> MemoryStateStore:
        return self._stores.setdefault(component, MemoryStateStore())

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

    async def store(self) -> MemoryStateStore:
        return self._store(self.state)

    async def quiet(self) -> None:
        keepers = [keeper for host in self._hosts if host.running for keeper in host.keepers]
        await until_quiet(self.broker, None, 10, keepers)
