"""Bare payloads of foreign applications, wrapped so that the rest of pillion sees a CloudEvent."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
from msgspec import Raw

from pillion.message import Message

RAW = "pillion.raw"

_check = msgspec.json.Decoder().decode


def raw_event(body: bytes, topic: str, id_: str) -> Message:
    """A message around a bare payload: JSON as ``data``, anything else as ``data_base64``."""
    common: dict[str, Any] = {"id": id_, "source": f"/{topic}", "type": RAW, "specversion": "1.0"}
    try:
        _check(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        text = base64.b64encode(body).decode("ascii")
        return Message(**common, datacontenttype="application/octet-stream", data_base64=text)
    return Message(**common, datacontenttype="application/json", data=Raw(body))
