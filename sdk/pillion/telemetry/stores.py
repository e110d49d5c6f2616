"""Stores with a span around each operation. They are put around the real ones only while tracing is on."""

from __future__ import annotations

from collections.abc import Sequence

from pillion.ports.store import (
    Change,
    ConfigurationItem,
    ConfigurationStore,
    SecretStore,
    StateCapabilities,
    StateItem,
    StateStore,
)
from pillion.telemetry.traces import MessageTracer


class TracedState:
    """A state store with spans; see ``pillion.ports.store.StateStore``."""

    def __init__(self, store: StateStore, component: str, tracer: MessageTracer) -> None:
        self._store = store
        self._component = component
        self._tracer = tracer
        self.start = store.start
        self.close = store.close

    @property
    def capabilities(self) -> StateCapabilities:
        """Those of the store."""
        return self._store.capabilities

    async def get(self, keys: Sequence[str]) -> dict[str, StateItem]:
        """What is there under these keys."""
        with self._tracer.storing("get", self._component, len(keys)):
            return await self._store.get(keys)

    async def write(self, changes: Sequence[Change]) -> None:
        """Apply each change by itself."""
        with self._tracer.storing("write", self._component, len(changes)):
            await self._store.write(changes)

    async def transact(self, changes: Sequence[Change]) -> None:
        """Apply all changes or none."""
        with self._tracer.storing("transact", self._component, len(changes)):
            await self._store.transact(changes)


class TracedSecrets:
    """A secret store with spans; see ``pillion.ports.store.SecretStore``."""

    def __init__(self, store: SecretStore, component: str, tracer: MessageTracer) -> None:
        self._store = store
        self._component = component
        self._tracer = tracer
        self.start = store.start
        self.close = store.close

    async def get(self, name: str) -> dict[str, str]:
        """The secret of that name."""
        with self._tracer.storing("get", self._component):
            return await self._store.get(name)

    async def get_all(self) -> dict[str, dict[str, str]]:
        """Every secret this service may read."""
        with self._tracer.storing("get_all", self._component):
            return await self._store.get_all()


class TracedConfiguration:
    """A configuration store with spans; see ``pillion.ports.store.ConfigurationStore``."""

    def __init__(self, store: ConfigurationStore, component: str, tracer: MessageTracer) -> None:
        self._store = store
        self._component = component
        self._tracer = tracer
        self.start = store.start
        self.close = store.close
        # A watch lasts as long as the service does, so a span around it would say nothing.
        self.watch = store.watch

    async def get(self, keys: Sequence[str]) -> dict[str, ConfigurationItem]:
        """The values of these keys."""
        with self._tracer.storing("get", self._component, len(keys)):
            return await self._store.get(keys)
