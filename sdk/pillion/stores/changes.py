"""Configuration changes on their way to a watcher who may be slower than they come."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from pillion.ports.store import ConfigurationItem


class PendingChanges:
    """Merges changes until they are taken: never more than one item per key."""

    def __init__(self, keys: frozenset[str]) -> None:
        self._keys = keys
        self._items: dict[str, ConfigurationItem] = {}
        self._some = asyncio.Event()

    def put(self, items: Mapping[str, ConfigurationItem]) -> None:
        """Add changes; keys that nobody watches are left out."""
        watched = {key: item for key, item in items.items() if key in self._keys}
        if watched:
            self._items.update(watched)
            self._some.set()

    async def take(self) -> dict[str, ConfigurationItem]:
        """Wait for changes and take them all."""
        await self._some.wait()
        self._some.clear()
        items, self._items = self._items, {}
        return items
