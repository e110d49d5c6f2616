"""Configuration behind a Dapr sidecar, which tells changes to the application's own port."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from pillion.errors import SidecarError
from pillion.ports.store import ConfigurationItem
from pillion.sidecar.channel import SidecarChannel
from pillion.stores.changes import PendingChanges
from pillion.stores.dapr.component import loaded

_REFRESH_SECONDS = 30.0
_REMOVED = ConfigurationItem("")


class DaprConfigurationStore:
    """Tells the values of a configuration component.

    Whoever serves the application's port for the sidecar hands what comes to ``/configuration/{store}/{key}`` to
    ``deliver``. A sidecar forgets subscriptions when it restarts, so each watch renews its own and looks for itself.

    Args:
        channel: started and closed by its owner.
        component: name of the configuration component.
        refresh: seconds between renewals; at most this late a change is seen after a sidecar was lost. Default 30.
    """

    def __init__(self, channel: SidecarChannel, component: str, *, refresh: float = _REFRESH_SECONDS) -> None:
        self._channel = channel
        self._component = component
        self._path = f"/v1.0/configuration/{quote(component, safe='')}"
        self._refresh = refresh
        self._watchers: set[PendingChanges] = set()

    async def start(self) -> None:
        """Look up the component.

        Raises:
            ConfigurationError: the sidecar has not loaded it, or it tells no configuration.
            SidecarError: the sidecar does not answer.
        """
        await loaded(self._channel, self._component, "configuration")

    async def close(self) -> None:
        """Nothing to do: the channel is its owner's, and each watch ends with its iterator."""

    async def get(self, keys: Sequence[str]) -> dict[str, ConfigurationItem]:
        """The values of these keys.

        Raises:
            SidecarError: the sidecar does not do it.
        """
        if not keys:
            return {}
        doing = f"reading {', '.join(keys)} from configuration {self._component!r}"
        answer = await self._channel.ask("GET", self._path, doing, params=_query(keys))
        return _items(msgspec.json.decode(answer.body)) if answer.body else {}

    async def watch(self, keys: Sequence[str]) -> AsyncGenerator[dict[str, ConfigurationItem], None]:
        """First the values as they are, then every change.

        Raises:
            SidecarError: the sidecar does not take the subscription.
        """
        pending = PendingChanges(frozenset(keys))
        self._watchers.add(pending)
        subscription = ""
        try:
            subscription = await self._subscribe(keys)
            known = await self.get(keys)
            yield dict(known)
            while True:
                try:
                    async with asyncio.timeout(self._refresh):
                        told = await pending.take()
                except TimeoutError:
                    subscription = await self._renew(subscription, keys)
                    told = await self._look(keys, known)
                news = {key: item for key, item in told.items() if item != known.get(key, _REMOVED)}
                known |= news
                if news:
                    yield news
        finally:
            self._watchers.discard(pending)
            await self._unsubscribe(subscription)

    def deliver(self, store: str, key: str, items: Mapping[str, Mapping[str, Any]]) -> None:
        """Take what the sidecar posted to ``/configuration/{store}/{key}``.

        Args:
            store: the component; news of another one are left alone.
            key: the key of the path; each post names all changed items, so it is not needed.
            items: ``items`` of the posted JSON.
        """
        del key
        if store == self._component:
            for watcher in self._watchers:
                watcher.put(_items(items))

    async def _subscribe(self, keys: Sequence[str]) -> str:
        doing = f"watching {', '.join(keys)} in configuration {self._component!r}"
        answer = await self._channel.ask("GET", f"{self._path}/subscribe", doing, params=_query(keys))
        return str(msgspec.json.decode(answer.body)["id"])

    async def _unsubscribe(self, subscription: str) -> None:
        if subscription:
            # It may be gone already, with the sidecar that knew it.
            with contextlib.suppress(SidecarError):
                await self._channel.request("GET", f"{self._path}/{quote(subscription, safe='')}/unsubscribe")

    async def _renew(self, subscription: str, keys: Sequence[str]) -> str:
        await self._unsubscribe(subscription)
        try:
            return await self._subscribe(keys)
        except SidecarError:
            return ""

    async def _look(self, keys: Sequence[str], known: Mapping[str, ConfigurationItem]) -> dict[str, ConfigurationItem]:
        try:
            current = await self.get(keys)
        except SidecarError:
            return {}
        return {key: current.get(key, _REMOVED) for key in known.keys() | current.keys()}


def _query(keys: Sequence[str]) -> list[tuple[str, str]]:
    return [("key", key) for key in keys]


def _items(found: Mapping[str, Mapping[str, Any]]) -> dict[str, ConfigurationItem]:
    return {
        key: ConfigurationItem(item.get("value", ""), item.get("version", ""), item.get("metadata") or {})
        for key, item in found.items()
    }
