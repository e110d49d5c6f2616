"""Publishing, single and in bulk, as daprd offers it over HTTP."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from pillion.testing.sidecar import envelope
from pillion.testing.sidecar.broker import FakeBroker, Stored
from pillion.testing.sidecar.stores import failure


class Publishing:
    """Takes what the application publishes to the broker.

    Args:
        broker: where it goes.
        app_id: the ``source`` of envelopes.
        components: the pub/sub components there are.
    """

    def __init__(self, broker: FakeBroker, app_id: str, components: Sequence[str]) -> None:
        self._broker = broker
        self._app_id = app_id
        self._components = frozenset(components)

    def routes(self) -> list[web.RouteDef]:
        """The part of daprd's API that this is."""
        bulk, single = "publish/bulk/{pubsub}/{topic:.+}", "publish/{pubsub}/{topic:.+}"
        return [
            *(route(f"/v1.0/{bulk}", self._publish_bulk) for route in (web.post, web.put)),
            *(route(f"/v1.0-alpha1/{bulk}", self._publish_bulk) for route in (web.post, web.put)),
            *(route(f"/v1.0/{single}", self._publish) for route in (web.post, web.put)),
        ]

    async def _publish(self, request: web.Request) -> web.Response:
        if refusal := self._refusal(request):
            return refusal
        metadata = _metadata_of(request)
        body = await request.read()
        try:
            data = self._stored_form(request, body, request.headers.get("Content-Type", ""), metadata)
        except envelope.UnfitContentError as error:
            text = f"cannot create cloudevent: {error}"
            return failure(500, "ERR_PUBSUB_CLOUD_EVENTS_SER", text)
        self._broker.publish(request.match_info["topic"], Stored(data, metadata))
        return web.Response(status=204)

    async def _publish_bulk(self, request: web.Request) -> web.Response:
        if refusal := self._refusal(request):
            return refusal
        try:
            entries = _entries_of(await request.read())
            messages = [self._entry(request, entry) for entry in entries]
        except envelope.UnfitContentError as error:
            return failure(400, "ERR_PUBSUB_EVENTS_SER", f"error when marshalling cloud event: {error}")
        for message in messages:
            self._broker.publish(request.match_info["topic"], message)
        return web.Response(status=204)

    def _entry(self, request: web.Request, entry: dict[str, Any]) -> Stored:
        """One entry. Only the request's own rawPayload counts, and its metadata only reaches entries that have some."""
        content_type = entry.get("contentType", "")
        own = entry.get("metadata")
        metadata = None if own is None else {**_metadata_of(request), **own}
        body = envelope.entry_body(entry.get("event"), content_type)
        if envelope.is_raw(_metadata_of(request)):
            return Stored(body, metadata)
        return Stored(self._envelope(request, body, content_type, metadata or {}), metadata)

    def _stored_form(self, request: web.Request, body: bytes, content_type: str, metadata: dict[str, str]) -> bytes:
        return body if envelope.is_raw(metadata) else self._envelope(request, body, content_type, metadata)

    def _envelope(self, request: web.Request, body: bytes, content_type: str, metadata: dict[str, str]) -> bytes:
        return envelope.wrap(
            body,
            content_type,
            source=self._app_id,
            pubsub=request.match_info["pubsub"],
            topic=request.match_info["topic"],
            traceparent=request.headers.get("traceparent", ""),
            metadata=metadata,
        )

    def _refusal(self, request: web.Request) -> web.Response | None:
        name = request.match_info["pubsub"]
        if name in self._components:
            return None
        return failure(404, "ERR_PUBSUB_NOT_FOUND", f"pubsub {name} is not found")


def _metadata_of(request: web.Request) -> dict[str, str]:
    prefix = "metadata."
    return {name[len(prefix) :]: value for name, value in request.query.items() if name.startswith(prefix)}


def _entries_of(body: bytes) -> list[dict[str, Any]]:
    try:
        entries = json.loads(body, parse_int=_as_float)
    except ValueError as error:
        raise envelope.UnfitContentError(str(error)) from None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise envelope.UnfitContentError("not a list of entries")
    ids = [entry.get("entryId") for entry in entries]
    if not all(ids) or len(set(ids)) != len(ids):
        raise envelope.UnfitContentError("entryId is duplicated or not present for entry")
    return entries


def _as_float(digits: str) -> int:
    """An integer as daprd's bulk publish reads it: above 2**53 the last digits are lost."""
    return int(float(digits))
