"""What daprd makes of a published body: an envelope around it, or its own attributes put over a CloudEvent's."""

from __future__ import annotations

import base64
import binascii
import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

CLOUD_EVENT = "application/cloudevents+json"
BINARY = "application/octet-stream"
_TRUE = frozenset({"1", "t", "true", "y", "yes", "on"})
_OVERRIDES = ("id", "source", "type", "subject", "traceid", "tracestate")


class UnfitContentError(ValueError):
    """A body that does not fit its content type."""


def is_raw(metadata: Mapping[str, str] | None) -> bool:
    """Whether ``rawPayload`` asks to leave the bytes alone."""
    return (metadata or {}).get("rawPayload", "").lower() in _TRUE


def wrap(
    body: bytes,
    content_type: str,
    *,
    source: str,
    pubsub: str,
    topic: str,
    traceparent: str,
    metadata: Mapping[str, str],
) -> bytes:
    """The stored form of a body that was not published raw.

    Raises:
        UnfitContentError: a CloudEvent that is no JSON object.
    """
    if _media_type(content_type) == CLOUD_EVENT:
        event = _own_event(body, traceparent)
    else:
        event = _new_event(body, content_type, source=source, traceparent=traceparent, metadata=metadata)
    event |= {"topic": topic, "pubsubname": pubsub}
    if ttl := metadata.get("ttlInSeconds"):
        event["expiration"] = _timestamp(datetime.now(UTC) + timedelta(seconds=int(ttl)))
    return json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def entry_body(event: Any, content_type: str) -> bytes:
    """The bytes of one ``event`` of a bulk publish.

    Raises:
        UnfitContentError: the event is no text, or no base64, where its content type asks for it.
    """
    kind = _media_type(content_type)
    if kind == BINARY or kind.startswith("text/"):
        if not isinstance(event, str):
            raise UnfitContentError("contentType does not match the event")
        return event.encode() if kind != BINARY else _decode(event)
    if _is_json(kind):
        return json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    raise UnfitContentError("contentType does not match the event")


def is_expired(event: Mapping[str, Any]) -> bool:
    """Whether its ``expiration`` has passed."""
    try:
        return datetime.fromisoformat(str(event["expiration"])) < datetime.now(UTC)
    except (KeyError, ValueError, TypeError):
        return False


def from_raw(data: bytes, *, pubsub: str, topic: str) -> dict[str, Any]:
    """The CloudEvent that a single delivery with ``rawPayload`` is."""
    return {
        "id": str(uuid.uuid4()),
        "specversion": "1.0",
        "datacontenttype": BINARY,
        "source": "Dapr",
        "type": "com.dapr.event.sent",
        "topic": topic,
        "pubsubname": pubsub,
        "data_base64": base64.b64encode(data).decode(),
    }


def _own_event(body: bytes, traceparent: str) -> dict[str, Any]:
    try:
        event = json.loads(body)
    except ValueError as error:
        raise UnfitContentError(str(error)) from None
    if not isinstance(event, dict):
        raise UnfitContentError("a CloudEvent is a JSON object")
    if "traceid" not in event:
        event |= {"traceid": traceparent, "traceparent": traceparent}
    defaults = {"time": _now(), "source": "Dapr", "type": "com.dapr.event.sent", "specversion": "1.0", "tracestate": ""}
    return {**defaults, **event}


def _new_event(
    body: bytes, content_type: str, *, source: str, traceparent: str, metadata: Mapping[str, str]
) -> dict[str, Any]:
    kind = content_type or "text/plain"
    trace = metadata.get("cloudevent.traceparent") or metadata.get("cloudevent.traceid") or traceparent
    event = {
        "id": str(uuid.uuid4()),
        "specversion": "1.0",
        "datacontenttype": kind,
        "source": source,
        "type": "com.dapr.event.sent",
        "time": _now(),
        "tracestate": "",
    }
    given = {name: metadata[f"cloudevent.{name}"] for name in _OVERRIDES if f"cloudevent.{name}" in metadata}
    return {**event, **given, "traceid": trace, "traceparent": trace, **_data(body, kind)}


def _data(body: bytes, content_type: str) -> dict[str, Any]:
    kind = _media_type(content_type)
    if kind == BINARY:
        return {"data_base64": base64.b64encode(body).decode()}
    if _is_json(kind):
        try:
            return {"data": json.loads(body)}
        except ValueError:
            pass  # daprd hands on as text what it cannot read as JSON
    return {"data": body.decode(errors="replace")}


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise UnfitContentError(f"unable to decode base64 {BINARY} data: {error}") from None


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _is_json(kind: str) -> bool:
    return kind == "application/json" or kind.endswith("+json")


def _now() -> str:
    return _timestamp(datetime.now(UTC))


def _timestamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
