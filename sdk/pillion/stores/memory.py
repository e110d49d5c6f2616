"""Stores in memory: for tests and for `state.in-memory`; all is lost when the process ends."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from typing import NamedTuple

from pillion.errors import ConflictError
from pillion.ports.clock import Clock, SystemClock
from pillion.ports.store import Change, ConfigurationItem, Remove, StateCapabilities, StateItem, Upsert
from pillion.stores.changes import PendingChanges

_SWEEP_SECONDS = 60.0


class _Entry(NamedTuple):
    item: StateItem
    expires: float | None


class MemoryStateStore:
    """Keeps state in a dictionary.

    Args:
        clock: decides when values expire.
    """

    capabilities = StateCapabilities()

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._entries: dict[str, _Entry] = {}
        self._version = 0
        self._next_sweep = 0.0

    async def start(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Nothing to do: what it keeps is there for the next host that is given it, for as long as somebody has it."""

    async def get(self, keys: Sequence[str]) -> dict[str, StateItem]:
        """What is there under these keys."""
        found = ((key, self._current(key)) for key in keys)
        return {key: item for key, item in found if item is not None}

    async def write(self, changes: Sequence[Change]) -> None:
        """Apply each change by itself.

        Raises:
            ConflictError: some did not fit what is there; the others are applied.
        """
        conflicts = self._conflicts(changes)
        self._apply(change for change in changes if change.key not in conflicts)
        _refuse(conflicts)

    async def transact(self, changes: Sequence[Change]) -> None:
        """Apply all changes or none.

        Raises:
            ConflictError: some did not fit what is there; nothing was written.
        """
        _refuse(self._conflicts(changes))
        self._apply(changes)

    def _current(self, key: str) -> StateItem | None:
        entry = self._entries.get(key)
        if entry is None or (entry.expires is not None and entry.expires <= self._clock.now()):
            return None
        return entry.item

    def _conflicts(self, changes: Sequence[Change]) -> set[str]:
        return {change.key for change in changes if change.conditional and not self._fits(change)}

    def _fits(self, change: Change) -> bool:
        current = self._current(change.key)
        return change.etag == (current.etag if current else None)

    def _apply(self, changes: Iterable[Change]) -> None:
        for change in changes:
            match change:
                case Remove():
                    self._entries.pop(change.key, None)
                case Upsert():
                    self._put(change)
        self._sweep()

    def _put(self, change: Upsert) -> None:
        self._version += 1
        expires = None if change.ttl is None else self._clock.now() + change.ttl
        self._entries[change.key] = _Entry(StateItem(change.value, str(self._version)), expires)

    def _sweep(self) -> None:
        now = self._clock.now()
        if now < self._next_sweep:
            return
        self._next_sweep = now + _SWEEP_SECONDS
        gone = [key for key, entry in self._entries.items() if entry.expires is not None and entry.expires <= now]
        for key in gone:
            del self._entries[key]


def _refuse(conflicts: set[str]) -> None:
    if conflicts:
        names = ", ".join(sorted(conflicts))
        raise ConflictError(f"somebody else wrote first to {names}; read it again and repeat the change")


class MemoryConfigurationStore:
    """Keeps configuration in a dictionary; whoever holds it may change values while the service runs.

    Args:
        values: what it begins with.
    """

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._items: dict[str, ConfigurationItem] = {}
        self._watchers: set[PendingChanges] = set()
        self._version = 0
        self.put(values or {})

    async def start(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Nothing to do."""

    def put(self, values: Mapping[str, str]) -> None:
        """Set these values and tell those who watch; an empty value removes the item."""
        self._version += 1
        changed = {key: ConfigurationItem(value, str(self._version)) for key, value in values.items()}
        self._items = {key: item for key, item in {**self._items, **changed}.items() if item.value}
        for watcher in self._watchers:
            watcher.put(changed)

    async def get(self, keys: Sequence[str]) -> dict[str, ConfigurationItem]:
        """The values of these keys."""
        return {key: self._items[key] for key in keys if key in self._items}

    async def watch(self, keys: Sequence[str]) -> AsyncGenerator[dict[str, ConfigurationItem], None]:
        """First the values as they are, then every change."""
        pending = PendingChanges(frozenset(keys))
        self._watchers.add(pending)
        try:
            yield await self.get(keys)
            while True:
                yield await pending.take()
        finally:
            self._watchers.discard(pending)
