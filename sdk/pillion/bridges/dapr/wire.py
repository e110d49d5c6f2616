"""Dapr's JSON to messages and outcomes, and back. Pure functions.

Everything is published raw, so that the bytes of our CloudEvents cross Dapr unchanged: enveloped publishing re-marshals
them, which turns large integers into floats, and replaces or blanks the trace context. Other subscribers still see an
ordinary CloudEvent.

Source: https://docs.dapr.io/reference/api/pubsub_api/
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec
from msgspec import Raw, Struct, field

SUCCESS = "SUCCESS"
RETRY = "RETRY"
RAW_PUBLISH = {"metadata.rawPayload": "true"}
_KEY = "partitionKey"

# The ids of a delivery's messages, and the messages, in the same order.
Entries: TypeAlias = tuple[list[str], list[bytes]]


class RawEntry(Struct, rename="camel"):
    """One message of a raw bulk delivery; ``event`` is what the publisher sent."""

    entry_id: str
    event: bytes


class RoutedEntry(Struct, rename="camel"):
    """One message of a bulk delivery through routing rules; ``event`` is the CloudEvent as JSON."""

    entry_id: str
    event: Raw


class RawDelivery(Struct):
    """A raw bulk delivery."""

    entries: list[RawEntry]


class RoutedDelivery(Struct):
    """A bulk delivery through routing rules."""

    entries: list[RoutedEntry]


class SingleDelivery(Struct):
    """A raw delivery of one message: Dapr's envelope around what the publisher sent."""

    data_base64: bytes


class _AnyEntry(Struct, rename="camel"):
    entry_id: str


class _AnyDelivery(Struct):
    entries: list[_AnyEntry]


class _FailedEntry(Struct, rename="camel"):
    entry_id: str
    error: str = ""


class _BulkFailure(Struct, rename="camel"):
    failed_entries: list[_FailedEntry] = field(default_factory=list)
    error_code: str = ""
    message: str = ""


_encode = msgspec.json.Encoder().encode
_raw_delivery = msgspec.json.Decoder(RawDelivery).decode
_routed_delivery = msgspec.json.Decoder(RoutedDelivery).decode
_single_delivery = msgspec.json.Decoder(SingleDelivery).decode
_any_delivery = msgspec.json.Decoder(_AnyDelivery).decode
_bulk_failure = msgspec.json.Decoder(_BulkFailure).decode


class MalformedDelivery(ValueError):
    """A request that is no delivery of the sidecar."""


def raw_entries(body: bytes) -> Entries:
    """Ids and bytes of the messages in a raw bulk delivery.

    Raises:
        MalformedDelivery: the body is something else.
    """
    try:
        entries = _raw_delivery(body).entries
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedDelivery(str(error)) from None
    return [entry.entry_id for entry in entries], [entry.event for entry in entries]


def routed_entries(body: bytes) -> Entries:
    """Ids and CloudEvents of the messages in a bulk delivery through routing rules.

    Raises:
        MalformedDelivery: the body is something else.
    """
    try:
        entries = _routed_delivery(body).entries
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedDelivery(str(error)) from None
    return [entry.entry_id for entry in entries], [bytes(entry.event) for entry in entries]


def single_entry(body: bytes) -> Entries:
    """The bytes of a raw delivery of one message, as the only one.

    Raises:
        MalformedDelivery: the body is something else.
    """
    try:
        return [""], [_single_delivery(body).data_base64]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedDelivery(str(error)) from None


def entry_ids(body: bytes) -> list[str]:
    """The ids in any bulk delivery; empty when it is none."""
    try:
        return [entry.entry_id for entry in _any_delivery(body).entries]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return []


def bulk_answer(entry_ids: Sequence[str], statuses: Sequence[str]) -> bytes:
    """What the app tells of each message of a bulk delivery."""
    pairs = zip(entry_ids, statuses, strict=True)
    return _encode({"statuses": [{"entryId": entry_id, "status": status} for entry_id, status in pairs]})


def single_answer(_: Sequence[str], statuses: Sequence[str]) -> bytes:
    """What the app tells of a delivery of one message."""
    return _encode({"status": statuses[0]})


def publish_query(key: str | None) -> dict[str, str]:
    """The query of a publish of one event; ``key`` chooses its partition."""
    return RAW_PUBLISH | {f"metadata.{_KEY}": key} if key else RAW_PUBLISH


def bulk_publish(events: Sequence[tuple[bytes, str | None]]) -> bytes:
    """The body of a bulk publish of these events, each with the key that chooses its partition.

    Each event is a JSON string of type text, which Dapr passes on byte for byte.
    """
    entries: list[dict[str, Any]] = [
        {"entryId": str(index), "event": event.decode(), "contentType": "text/plain"}
        | ({"metadata": {_KEY: key}} if key else {})
        for index, (event, key) in enumerate(events)
    ]
    return _encode(entries)


def bulk_failures(body: bytes) -> tuple[dict[int, str], str]:
    """Which messages of a bulk publish failed and why, and the sidecar's message when it names none."""
    try:
        failure = _bulk_failure(body)
        return {int(entry.entry_id): entry.error for entry in failure.failed_entries}, failure.message
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError):
        return {}, body[:200].decode("utf-8", "replace")
