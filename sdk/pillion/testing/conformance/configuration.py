"""What every configuration store must do; used as ``StateStoreContract`` is."""

from __future__ import annotations

import asyncio
import uuid
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from pillion.ports.store import ConfigurationItem, ConfigurationStore


class ConfigurationStoreContract(ABC):
    """What a configuration store must do."""

    @pytest.fixture
    def key(self) -> str:
        """A key of this test alone."""
        return f"key-{uuid.uuid4().hex}"

    @abstractmethod
    async def change(self, store: Any, values: dict[str, str]) -> None:
        """Set these values at the source; an empty value removes the key."""

    async def test_a_missing_key_is_missing_in_the_answer(self, store: ConfigurationStore, key: str) -> None:
        assert await store.get([key]) == {}
        assert await store.get([]) == {}

    async def test_values_are_told_by_key(self, store: ConfigurationStore, key: str) -> None:
        await self.change(store, {key: "5", f"{key}/ä b": "text"})
        found = await store.get([key, f"{key}/ä b", f"{key}-2"])
        assert {name: item.value for name, item in found.items()} == {key: "5", f"{key}/ä b": "text"}

    async def test_a_watch_begins_with_the_values_as_they_are(self, store: ConfigurationStore, key: str) -> None:
        await self.change(store, {key: "1"})
        async with aclosing(store.watch([key, f"{key}-2"])) as changes:
            first = await anext(changes)
        assert {name: item.value for name, item in first.items()} == {key: "1"}

    async def test_a_watch_tells_changes_and_removals(self, store: ConfigurationStore, key: str) -> None:
        async with aclosing(store.watch([key])) as changes:
            assert await anext(changes) == {}
            for value in ("1", "2", ""):
                assert (await self._next(store, changes, {key: value}))[key].value == value

    async def test_a_watch_is_told_its_own_keys_only(self, store: ConfigurationStore, key: str) -> None:
        async with aclosing(store.watch([key])) as changes:
            await anext(changes)
            await self.change(store, {f"{key}-2": "1"})
            assert list(await self._next(store, changes, {key: "1"})) == [key]

    async def test_every_watcher_is_told(self, store: ConfigurationStore, key: str) -> None:
        async with aclosing(store.watch([key])) as one, aclosing(store.watch([key])) as two:
            await anext(one)
            await anext(two)
            told = [await self._next(store, watcher, {key: "1"}) for watcher in (one, two)]
        assert [items[key].value for items in told] == ["1", "1"]

    async def _next(
        self, store: ConfigurationStore, changes: AsyncIterator[dict[str, ConfigurationItem]], values: dict[str, str]
    ) -> dict[str, ConfigurationItem]:
        """What the watcher is told next. A store may begin to listen a little late, so the change is repeated."""
        told = asyncio.ensure_future(anext(changes))
        while not told.done():
            await self.change(store, values)
            await asyncio.wait({told}, timeout=0.5)
        return await told
