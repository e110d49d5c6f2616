"""The world of the memory bridge: hosts of one process that share a broker."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from pillion.bridges.memory.bridge import MemoryBridge
from pillion.bridges.memory.broker import MemoryBroker
from pillion.errors import StoreError
from pillion.pipeline.facilities import LONGEST_WAIT
from pillion.ports.store import Change, StateCapabilities, StateItem, StateStore
from pillion.runtime.host import Host
from pillion.runtime.settings import HostSettings
from pillion.runtime.stores import Stores
from pillion.service.guard import Guard
from pillion.service.service import Service
from pillion.stores.memory import MemoryStateStore
from pillion.stores.sqlite import SQLiteStateStore
from pillion.testing.conformance.world import Publish
from pillion.testing.quiet import until_quiet


class _Lifeline:
    """A state store as one process reaches it: when that dies, nothing of it gets through any more."""

    def __init__(self, store: StateStore) -> None:
        self._store = store
        self._dead = False
        self.start, self.close = store.start, store.close

    @property
    def capabilities(self) -> StateCapabilities:
        return self._store.capabilities

    async def cut(self) -> None:
        self._dead = True
        await self._store.close()

    async def get(self, keys: Sequence[str]) -> dict[str, StateItem]:
        self._live()
        return await self._store.get(keys)

    async def write(self, changes: Sequence[Change]) -> None:
        self._live()
        await self._store.write(changes)

    async def transact(self, changes: Sequence[Change]) -> None:
        self._live()
        await self._store.transact(changes)

    def _live(self) -> None:
        if self._dead:
            raise StoreError("this process is dead")


class _SharedBridge(MemoryBridge):
    @property
    def alone(self) -> bool:
        return False


def _as_it_is(store: StateStore) -> StateStore:
    return store


class MemoryWorld:
    """Implements ``pillion.testing.conformance.world.World``.

    Args:
        settings: of the hosts.
        alone: hosts know whether they are the only one on the broker; else they take it that others may have their
            messages too, as beside sidecars.
    """

    lacks: frozenset[str] = frozenset()
    state = "conformance-state"

    def __init__(self, settings: HostSettings | None = None, *, alone: bool = True) -> None:
        self._settings = settings or HostSettings()
        self._alone = alone
        self.broker = MemoryBroker()
        self._outsider = MemoryBridge(self.broker)
        self._numbers = count(1)
        self._stack = AsyncExitStack()
        self._stores: dict[str, MemoryStateStore] = {}
        self._hosts: list[Host] = []
        self._lifelines: list[_Lifeline] = []

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
        storing: Callable[[StateStore], StateStore] | None = None,
        drain_seconds: float = 10.0,
        longest_wait: float = LONGEST_WAIT,
    ) -> Host:
        given = {"drain_seconds": drain_seconds, "longest_wait": longest_wait}
        settings = self._settings.model_copy(update=given)
        bridge = MemoryBridge(self.broker) if self._alone else _SharedBridge(self.broker)
        if publishing is not None:
            bridge.publish = publishing(bridge.publish)  # type: ignore[assignment]
        stores = Stores(lambda component: (storing or _as_it_is)(self._lifeline(component)))
        host = Host(*services, bridge=bridge, stores=stores, settings=settings, guards=guards)
        self._hosts.append(host)
        return await self._stack.enter_async_context(host)

    async def stop(self, host: Host) -> int:
        return await host.stop()

    async def crash(self) -> None:
        """The broker dies with its process."""
        for lifeline in self._lifelines:
            await lifeline.cut()
        self._lifelines.clear()
        self._hosts.clear()
        self.broker = MemoryBroker()
        self._outsider = MemoryBridge(self.broker)

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

    async def store(self) -> StateStore:
        store = self._store(self.state)
        self._stack.push_async_callback(store.close)
        await store.start()
        return store

    async def quiet(self) -> None:
        keepers = [keeper for host in self._hosts if host.running for keeper in host.keepers]
        await until_quiet(self.broker, None, 10, keepers)

    def _lifeline(self, component: str) -> StateStore:
        lifeline = _Lifeline(self._store(component))
        self._lifelines.append(lifeline)
        return lifeline

    def _store(self, component: str) -> StateStore:
        return self._stores.setdefault(component, MemoryStateStore())


class SQLiteWorld(MemoryWorld):
    """Keeps state in files, which every host opens for itself.

    Args:
        folder: where they are.
        alone: see ``MemoryWorld``.
    """

    def __init__(self, folder: Path, *, alone: bool = True) -> None:
        super().__init__(alone=alone)
        self._folder = folder

    def _store(self, component: str) -> StateStore:
        return SQLiteStateStore(self._folder / f"{component}.db")
