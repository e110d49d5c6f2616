"""The JSON documents that pillion itself keeps in a state store, under keys that begin with ``pillion:``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from pillion.errors import StoreError
from pillion.ports.store import StateItem

T = TypeVar("T")


def read(decode: Callable[[bytes], T], key: str, item: StateItem) -> T:
    """What the document under a key says.

    Raises:
        StoreError: it is not such a document.
    """
    try:
        return decode(item.value)
    except msgspec.MsgspecError as error:
        raise StoreError(f"{key!r} holds something that pillion did not write: {error}; remove it") from None
