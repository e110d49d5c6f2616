"""CloudEvents 1.0 in structured JSON mode: bytes to ``Message`` and back.

Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
"""

from __future__ import annotations

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from pillion.errors import PillionError
from pillion.message import NO_EXTENSIONS, Message

CONTENT_TYPE = "application/cloudevents+json"

_ATTRIBUTES = frozenset(field.encode_name for field in msgspec.structs.fields(Message) if field.name != "extensions")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Message).decode
_decode_members = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_value = msgspec.json.Decoder().decode


class MalformedEvent(PillionError):
    """Bytes that are no CloudEvent."""


def encode(message: Message) -> bytes:
    """The event as JSON text in UTF-8."""
    if message.extensions is NO_EXTENSIONS:
        return _encode(message)
    members = _decode_members(_encode(replace(message, extensions=NO_EXTENSIONS)))
    return _encode({**message.extensions, **members})


def decode(body: bytes) -> Message:
    """The message in these bytes; attributes it does not know are kept in ``extensions``.

    Raises:
        MalformedEvent: the bytes are no CloudEvent in JSON.
    """
    try:
        return _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _decode_extended(body)


def _decode_extended(body: bytes) -> Message:
    """The slow path, taken for events with attributes of others."""
    try:
        members = _decode_members(body)
        # An attribute that is null is not there, says the specification; data may be null.
        set_ = {name: value for name, value in members.items() if name == "data" or bytes(value) != b"null"}
        message = _decode(_encode({name: value for name, value in set_.items() if name in _ATTRIBUTES}))
        extensions = {name: _decode_value(value) for name, value in members.items() if name not in _ATTRIBUTES}
        return replace(message, extensions=extensions)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedEvent(f"not a CloudEvent in JSON: {error}") from None
