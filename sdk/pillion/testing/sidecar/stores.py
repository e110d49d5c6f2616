"""State, secrets and configuration as daprd offers them over HTTP, kept in dictionaries."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from pillion.testing.sidecar.broker import Entry, FakeBroker


class _MismatchError(Exception):
    """The ETag is not the one of the stored value."""


def failure(status: int, code: str, message: str) -> web.Response:
    """An error as daprd words it."""
    return web.json_response({"errorCode": code, "message": message}, status=status)


async def _json_of(request: web.Request) -> Any:
    try:
        return await request.json()
    except ValueError as error:
        raise _bad_request("ERR_MALFORMED_REQUEST", str(error)) from None


def _bad_request(code: str, message: str) -> web.HTTPBadRequest:
    text = json.dumps({"errorCode": code, "message": message})
    return web.HTTPBadRequest(text=text, content_type="application/json")


class States:
    """State stores, shared by all sidecars of a broker that name them (``keyPrefix: name``).

    They behave like ``state.sqlite``: ETags, first write wins, TTL, and transactions that roll back.
    """

    def __init__(self, broker: FakeBroker, names: Sequence[str]) -> None:
        self._broker = broker
        self._names = frozenset(names)

    def routes(self) -> list[web.RouteDef]:
        """The part of daprd's API that this is."""
        return [
            web.get("/v1.0/state/{store}/{key:.+}", self._get),
            web.delete("/v1.0/state/{store}/{key:.+}", self._delete),
            *(route("/v1.0/state/{store}", self._save) for route in (web.post, web.put)),
            *(route("/v1.0/state/{store}/bulk", self._get_bulk) for route in (web.post, web.put)),
            *(route("/v1.0/state/{store}/transaction", self._transact) for route in (web.post, web.put)),
        ]

    async def _get(self, request: web.Request) -> web.Response:
        entry = _find(self._entries(request), request.match_info["key"])
        if entry is None:
            return web.Response(status=204)
        return web.json_response(entry.value, headers={"ETag": entry.etag, **_expiry(entry)})

    async def _get_bulk(self, request: web.Request) -> web.Response:
        entries = self._entries(request)
        return web.json_response([_item(key, _find(entries, key)) for key in (await _json_of(request))["keys"]])

    async def _save(self, request: web.Request) -> web.Response:
        entries = self._entries(request)
        try:
            for item in await _json_of(request):
                _upsert(entries, item)
        except _MismatchError as error:
            store = request.match_info["store"]
            return failure(409, "ERR_STATE_SAVE", f"failed saving state in state store {store}: {error}")
        return web.Response(status=204)

    async def _delete(self, request: web.Request) -> web.Response:
        item = {"key": request.match_info["key"], "etag": request.headers.get("If-Match")}
        try:
            _remove(self._entries(request), item)
        except _MismatchError as error:
            return failure(409, "ERR_STATE_DELETE", f"failed deleting state with key {item['key']}: {error}")
        return web.Response(status=204)

    async def _transact(self, request: web.Request) -> web.Response:
        operations = (await _json_of(request)).get("operations", ())
        entries = self._entries(request)
        changed = dict(entries)
        steps = {"upsert": _upsert, "delete": _remove}
        for operation in operations:
            if operation["operation"] not in steps:
                text = f"operation type {operation['operation']} not supported"
                return failure(400, "ERR_NOT_SUPPORTED_STATE_OPERATION", text)
            try:
                steps[operation["operation"]](changed, operation["request"])
            except _MismatchError as error:
                return failure(500, "ERR_STATE_TRANSACTION", f"error while executing state transaction: {error}")
        entries.clear()
        entries.update(changed)
        return web.Response(status=204)

    def _entries(self, request: web.Request) -> dict[str, Entry]:
        name = request.match_info["store"]
        if name not in self._names:
            raise _bad_request("ERR_STATE_STORE_NOT_FOUND", f"state store {name} is not found")
        return self._broker.state[name]


class Secrets:
    """Secret stores: name of the store, name of the secret, value."""

    def __init__(self, stores: Mapping[str, Mapping[str, str]]) -> None:
        self._stores = stores

    def routes(self) -> list[web.RouteDef]:
        """The part of daprd's API that this is."""
        return [
            web.get("/v1.0/secrets/{store}/bulk", self._get_bulk),
            web.get("/v1.0/secrets/{store}/{key:.+}", self._get),
        ]

    async def _get(self, request: web.Request) -> web.Response:
        store, key = request.match_info["store"], request.match_info["key"]
        if store not in self._stores:
            return _no_secret_store(store)
        if key not in self._stores[store]:
            text = f"failed getting secret with key {key} from secret store {store}: secret {key} not found"
            return failure(500, "ERR_SECRET_GET", text)
        return web.json_response({key: self._stores[store][key]})

    async def _get_bulk(self, request: web.Request) -> web.Response:
        store = request.match_info["store"]
        if store not in self._stores:
            return _no_secret_store(store)
        return web.json_response({key: {key: value} for key, value in self._stores[store].items()})


def _no_secret_store(store: str) -> web.Response:
    return failure(401, "ERR_SECRET_STORE_NOT_FOUND", f"failed finding secret store with key {store}")


class Configurations:
    """Configuration stores: name of the store, key, value. Reading only; nothing is pushed to the application."""

    def __init__(self, stores: Mapping[str, Mapping[str, str]]) -> None:
        self._stores = stores

    def routes(self) -> list[web.RouteDef]:
        """The part of daprd's API that this is."""
        return [web.get("/v1.0/configuration/{store}", self._get)]

    async def _get(self, request: web.Request) -> web.Response:
        store = request.match_info["store"]
        if store not in self._stores:
            text = f"configuration store {store} not found"
            return failure(400, "ERR_CONFIGURATION_STORE_NOT_FOUND", text)
        items = self._stores[store]
        keys = request.query.getall("key", list(items))
        return web.json_response({key: {"value": items[key], "version": "1"} for key in keys if key in items})


def _find(entries: Mapping[str, Entry], key: str) -> Entry | None:
    entry = entries.get(key)
    return entry if entry and (entry.expires is None or entry.expires > time.time()) else None


def _upsert(entries: dict[str, Entry], item: Mapping[str, Any]) -> None:
    _check(entries, item)
    ttl = (item.get("metadata") or {}).get("ttlInSeconds")
    expires = time.time() + float(ttl) if ttl else None
    entries[item["key"]] = Entry(value=item.get("value"), etag=str(uuid.uuid4()), expires=expires)


def _remove(entries: dict[str, Entry], item: Mapping[str, Any]) -> None:
    _check(entries, item)
    entries.pop(item["key"], None)


def _check(entries: Mapping[str, Entry], item: Mapping[str, Any]) -> None:
    found = _find(entries, item["key"])
    etag = item.get("etag")
    first_write = (item.get("options") or {}).get("concurrency") == "first-write"
    if (etag and (found is None or found.etag != etag)) or (first_write and not etag and found):
        raise _MismatchError("possible etag mismatch. error from state store")


def _item(key: str, entry: Entry | None) -> dict[str, Any]:
    return {"key": key} if entry is None else {"key": key, "data": entry.value, "etag": entry.etag}


def _expiry(entry: Entry) -> dict[str, str]:
    if entry.expires is None:
        return {}
    return {"metadata.ttlExpireTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(entry.expires))}
