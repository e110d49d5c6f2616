"""State behind a Dapr sidecar, over its HTTP API."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from pillion.errors import ConflictError, PillionError, SidecarError, StoreError
from pillion.ports.store import Change, Remove, StateCapabilities, StateItem, Upsert
from pillion.sidecar.channel import SidecarChannel
from pillion.sidecar.health import Component
from pillion.stores.dapr.component import loaded
from pillion.stores.dapr.transactions import Transactions
from pillion.stores.dapr.value import from_dapr, to_dapr

_REDIS = "state.redis"
# No version of a value in Redis has this number, so it fits only where there is no value. Dapr's own way of saying
# "only if absent" marks the key for ever, and later plain writes to it fail.
_REDIS_ABSENT = "-1"
_REDIS_FOR_EVER = "-1"


class _Found(msgspec.Struct):
    key: str
    data: msgspec.Raw = msgspec.Raw()
    etag: str = ""
    error: str = ""


class DaprStateStore:
    """Keeps state in a state component of the sidecar. Values are stored as JSON, readable by other applications.

    On Redis a change with an ETag succeeds when the key is gone meanwhile: Redis cannot tell that from a first write.

    Args:
        channel: started and closed by its owner.
        component: name of the state component.
    """

    def __init__(self, channel: SidecarChannel, component: str) -> None:
        self._channel = channel
        self._component = component
        self._path = f"/v1.0/state/{quote(component, safe='')}"
        self._redis = False
        self._capabilities = StateCapabilities()
        self._transactions = Transactions(self._transact)

    @property
    def capabilities(self) -> StateCapabilities:
        """What the component can promise; known after ``start``."""
        return self._capabilities

    async def start(self) -> None:
        """Look up the component.

        Raises:
            ConfigurationError: the sidecar has not loaded it, or it keeps no state.
            SidecarError: the sidecar does not answer.
        """
        component = await loaded(self._channel, self._component, "state")
        self._redis = component.type == _REDIS
        self._capabilities = _capabilities(component)

    async def close(self) -> None:
        """Finish what is in hand; the channel is its owner's."""
        await self._transactions.close()

    async def get(self, keys: Sequence[str]) -> dict[str, StateItem]:
        """What is there under these keys.

        Raises:
            StoreError: a value cannot be read.
            SidecarError: the sidecar does not do it.
        """
        if not keys:
            return {}
        return await (self._get_one(keys[0]) if len(keys) == 1 else self._get_many(keys))

    async def write(self, changes: Sequence[Change]) -> None:
        """Apply each change by itself: what is written with one request, what is removed side by side.

        Raises:
            ConflictError: a change did not fit what is there; others may have been applied.
            StoreError: the component cannot do it.
            SidecarError: the sidecar does not do it.
        """
        self._check(changes)
        upserts = [change for change in changes if isinstance(change, Upsert)]
        work = [self._delete(change) for change in changes if isinstance(change, Remove)]
        if upserts:
            work.append(self._save(upserts))
        failures = [result for result in await asyncio.gather(*work, return_exceptions=True) if result is not None]
        for failure in sorted(failures, key=lambda failure: not isinstance(failure, ConflictError)):
            raise failure

    async def transact(self, changes: Sequence[Change]) -> None:
        """Apply all changes or none.

        Raises:
            ConflictError: a change did not fit what is there; nothing was written.
            StoreError: the component cannot do it; nothing was written.
            SidecarError: the sidecar does not do it.
        """
        if len(changes) < 2 and not self._fits_transaction(changes):
            await self.write(changes)
            return
        self._check(changes)
        self._check_transaction(changes)
        await self._transactions.put(changes)

    async def _get_one(self, key: str) -> dict[str, StateItem]:
        path = f"{self._path}/{quote(key, safe='')}"
        answer = await self._channel.ask("GET", path, f"reading {key!r} from {self._component!r}")
        if answer.status == 204 or not answer.body:
            return {}
        return {key: StateItem(from_dapr(answer.body), answer.headers.get("Etag", ""))}

    async def _get_many(self, keys: Sequence[str]) -> dict[str, StateItem]:
        doing = f"reading {len(keys)} keys from {self._component!r}"
        body = msgspec.json.encode({"keys": list(keys), "parallelism": 16})
        answer = await self._channel.ask("POST", f"{self._path}/bulk", doing, body=body)
        found = msgspec.json.decode(answer.body, type=list[_Found])
        broken = next((item for item in found if item.error), None)
        if broken is not None:
            raise StoreError(f"{doing}: {broken.key!r}: {broken.error}")
        return {item.key: StateItem(from_dapr(bytes(item.data)), item.etag) for item in found if bytes(item.data)}

    async def _transact(self, changes: Sequence[Change]) -> None:
        operations = [self._operation(change) for change in changes]
        await self._post(changes, "/transaction", {"operations": operations})

    async def _save(self, changes: Sequence[Upsert]) -> None:
        await self._post(changes, "", [self._request(change) for change in changes])

    async def _delete(self, change: Remove) -> None:
        path = f"{self._path}/{quote(change.key, safe='')}"
        headers = {} if change.etag is None else {"If-Match": change.etag}
        try:
            await self._channel.ask("DELETE", path, self._doing([change]), headers=headers)
        except SidecarError as error:
            raise await self._cause(error, [change]) from error

    async def _post(self, changes: Sequence[Change], suffix: str, request: Any) -> None:
        try:
            body = msgspec.json.encode(request)
            await self._channel.ask("POST", f"{self._path}{suffix}", self._doing(changes), body=body)
        except SidecarError as error:
            raise await self._cause(error, changes) from error

    async def _cause(self, error: SidecarError, changes: Sequence[Change]) -> PillionError:
        """Some components, and every transaction, answer a lost first write with 500 or 400; so look what is there."""
        conditional = [change for change in changes if change.conditional]
        if error.status not in (400, 500) or not conditional:
            return error
        current = await self.get([change.key for change in conditional])
        lost = [change.key for change in conditional if change.etag != _etag(current.get(change.key))]
        if not lost:
            return error
        return ConflictError(
            f"{self._doing(changes)}: somebody else wrote first to {', '.join(lost)}; read it again and repeat"
        )

    def _doing(self, changes: Sequence[Change]) -> str:
        names = ", ".join(repr(change.key) for change in changes[:3])
        return f"writing {names}{' …' if len(changes) > 3 else ''} to {self._component!r}"

    def _operation(self, change: Change) -> dict[str, Any]:
        if isinstance(change, Upsert):
            return {"operation": "upsert", "request": self._request(change)}
        etag = {} if change.etag is None else {"etag": change.etag}
        return {"operation": "delete", "request": {"key": change.key, **etag}}

    def _request(self, change: Upsert) -> dict[str, Any]:
        request: dict[str, Any] = {"key": change.key, "value": msgspec.Raw(to_dapr(change.value))}
        if self._redis:
            etag = change.etag or (_REDIS_ABSENT if change.first_write else None)
            ttl = _REDIS_FOR_EVER if change.ttl is None else str(math.ceil(change.ttl))
            # Without RedisJSON a transaction with a content type fails, so none is given; the value is JSON anyway.
            return request | {"metadata": {"ttlInSeconds": ttl}} | ({"etag": etag} if etag else {})
        request["metadata"] = {"contentType": "application/json"}
        if change.ttl is not None:
            request["metadata"]["ttlInSeconds"] = str(math.ceil(change.ttl))
        if change.conditional:
            request["options"] = {"concurrency": "first-write"}
        return request | ({"etag": change.etag} if change.etag else {})

    def _check(self, changes: Sequence[Change]) -> None:
        if not self._capabilities.etags and any(change.conditional for change in changes):
            raise self._refusal("keeps no ETags", "write without etag= and first_write=")
        if not self._capabilities.ttl and any(isinstance(change, Upsert) and change.ttl for change in changes):
            raise self._refusal("lets no values expire", "write without ttl=")

    def _check_transaction(self, changes: Sequence[Change]) -> None:
        if not self._capabilities.transactions:
            raise self._refusal("has no transactions", "write the changes one by one")
        if not self._fits_transaction(changes):
            raise self._refusal(
                "does not roll back a transaction whose ETag does not fit", "leave out etag= and first_write= in it"
            )

    def _fits_transaction(self, changes: Sequence[Change]) -> bool:
        has = self._capabilities
        return has.transactions and (has.conditional_transactions or not any(change.conditional for change in changes))

    def _refusal(self, lack: str, way_on: str) -> StoreError:
        return StoreError(
            f"state component {self._component!r} {lack}; {way_on}, or choose another type in the profile, such as "
            "state.postgresql or state.sqlite"
        )


def _etag(item: StateItem | None) -> str | None:
    return item.etag if item else None


def _capabilities(component: Component) -> StateCapabilities:
    transactions = "TRANSACTIONAL" in component.capabilities
    etags = "ETAG" in component.capabilities
    return StateCapabilities(
        etags=etags,
        transactions=transactions,
        conditional_transactions=transactions and etags and component.type != _REDIS,
        ttl="TTL" in component.capabilities,
    )
