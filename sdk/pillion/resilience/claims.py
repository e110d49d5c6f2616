"""Claims: payloads too large for a broker, kept in a state store that all services of a profile share."""

from __future__ import annotations

from hashlib import sha256

import msgspec
from msgspec import UNSET, Raw, Struct
from msgspec.structs import replace

from pillion.errors import BridgeError, PillionError, Unavailable
from pillion.message import Message
from pillion.ports.store import StateStore, Upsert
from pillion.resilience.document import read

# Name of the state component.
CLAIMS = "claims"
_PREFIX = "pillion:claim:"


class _Payload(Struct, frozen=True, omit_defaults=True):
    """What a message carries. Its bytes are stored as text: stores that parse JSON may not keep it to the letter."""

    data: bytes = b""
    data_base64: str | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Payload).decode


class Claims:
    """Leaves payloads in the claims store and fetches them.

    A key is made of the payload, so that a message that is sent again does not leave its payload twice.

    Args:
        limit: payloads with more bytes, as they are in the message, are left in the store; None leaves none.
        ttl: seconds for which a payload is kept.
    """

    def __init__(self, limit: int | None = None, ttl: float = 0.0) -> None:
        self.limit = limit
        self._ttl = ttl
        self._store: StateStore | None = None

    def open(self, store: StateStore | None) -> None:
        """Use this store from now on; None when the profile has none."""
        self._store = store

    async def leave(self, message: Message) -> Message:
        """The message, with a claim instead of its payload if that is too large.

        Raises:
            BridgeError: the payload could not be stored, so the message cannot leave.
        """
        if self.limit is None or _size(message) <= self.limit:
            return message
        payload = _encode(_Payload(message.json, message.data_base64))
        key = _PREFIX + sha256(payload).hexdigest()
        try:
            await self._put(key, payload)
        except PillionError as error:
            raise BridgeError(f"{message.type}: its payload could not be left in {CLAIMS!r}: {error}") from error
        return replace(message, claim=key, data=UNSET, data_base64=None)

    async def fetch(self, message: Message) -> Message:
        """The message with its payload, for one that has a claim.

        Raises:
            Unavailable: the payload is not there, or the store cannot be read.
        """
        key = message.claim or ""
        if self._store is None:
            raise _unavailable(message, f"this profile has no state component {CLAIMS!r}; add it")
        try:
            item = (await self._store.get([key])).get(key)
            found = None if item is None else read(_decode, key, item)
        except PillionError as error:
            raise _unavailable(message, str(error)) from error
        if found is None:
            raise _unavailable(
                message,
                f"{CLAIMS!r} has no {key}: it expired (claim_check_ttl of its sender), or the sender has another "
                "store; the component needs keyPrefix: name and the same server in every profile",
            )
        data = Raw(found.data) if found.data else UNSET
        return replace(message, claim=None, data=data, data_base64=found.data_base64)

    async def _put(self, key: str, payload: bytes) -> None:
        if self._store is None:
            raise BridgeError(f"there is no state component {CLAIMS!r}")
        await self._store.write([Upsert(key, payload, ttl=self._ttl)])


def _size(message: Message) -> int:
    if message.data_base64 is not None:
        return len(message.data_base64)
    return 0 if message.data is UNSET else memoryview(message.data).nbytes


def _unavailable(message: Message, reason: str) -> Unavailable:
    return Unavailable(reason=f"the payload of message {message.id} could not be fetched: {reason}")
