"""JSON values on their way through daprd, which reads every number as a 64-bit float.

An integer beyond 2**53 would come back rounded, so a value that holds one is stored as text: a JSON string that begins
with a mark. All other values are stored as the JSON they are.
"""

from __future__ import annotations

import json
import re

import msgspec

_MARK = "pillion:json:"
_MARKED = f'"{_MARK}'.encode()
_MANY_DIGITS = re.compile(rb"\d{16}")
_EXACT = 2**53


def to_dapr(value: bytes) -> bytes:
    """The value in a form that daprd leaves as it is."""
    if value.startswith(_MARKED) or (_MANY_DIGITS.search(value) and _has_large_integer(value)):
        return msgspec.json.encode(_MARK + value.decode())
    return value


def from_dapr(value: bytes) -> bytes:
    """The value as it was before ``to_dapr``."""
    if not value.startswith(_MARKED):
        return value
    return msgspec.json.decode(value, type=str).removeprefix(_MARK).encode()


def _has_large_integer(value: bytes) -> bool:
    large: list[int] = []

    def look(digits: str) -> int:
        # The number of digits is checked first: huge ones are slow to convert, and Python refuses them.
        if len(digits) > 20 or abs(int(digits)) > _EXACT:
            large.append(0)
        return 0

    json.loads(value, parse_int=look)
    return bool(large)
