"""What came of a message: the messages it caused and the answer to it, as the inbox keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from msgspec import UNSET, Raw, Struct
from msgspec.structs import replace

from pillion.codec.cloudevents import decode, encode
from pillion.message import Message
from pillion.ports.bridge import Outgoing
from pillion.ports.store import StateItem
from pillion.resilience.document import read


class Answer(Struct, frozen=True, omit_defaults=True):
    """What a command was answered, without what belongs to one request.

    Attributes:
        data: JSON text; empty when there is none.
        data_base64: payload as base64, for bytes.
        content_type: media type of the data, or None.
        failure_code: why it failed, or None.
        failure_status: HTTP status of the failure.
        failure_title: one sentence about the failure.
        claim: key of the data in the claims store, which has them, or None.
    """

    data: bytes = b""
    data_base64: str | None = None
    content_type: str | None = None
    failure_code: str | None = None
    failure_status: int | None = None
    failure_title: str | None = None
    claim: str | None = None

    @classmethod
    def of(cls, reply: Message) -> Answer:
        """The answer in this reply."""
        return cls(
            data=reply.json,
            data_base64=reply.data_base64,
            content_type=reply.datacontenttype,
            failure_code=reply.failure_code,
            failure_status=reply.failure_status,
            failure_title=reply.failure_title,
            claim=reply.claim,
        )

    def put_in(self, reply: Message) -> Message:
        """A reply with this answer, whatever answer it had."""
        return replace(
            reply,
            data=Raw(self.data) if self.data else UNSET,
            data_base64=self.data_base64,
            datacontenttype=self.content_type,
            failure_code=self.failure_code,
            failure_status=self.failure_status,
            failure_title=self.failure_title,
            claim=self.claim,
        )


class _Parcel(Struct, frozen=True, omit_defaults=True):
    """An outgoing message. Its bytes are stored as text: stores that parse JSON may not keep it to the letter."""

    topic: str
    message: bytes
    component: str = "pubsub"
    due: float | None = None


class _Document(Struct, frozen=True, omit_defaults=True):
    expires: float
    sent: bool = False
    outgoing: tuple[_Parcel, ...] = ()
    answer: Answer | None = None
    fingerprint: str = ""


_encode_document = msgspec.json.Encoder().encode
_decode_document = msgspec.json.Decoder(_Document).decode


class Record(NamedTuple):
    """What came of a message.

    Attributes:
        key: of the record in the store.
        document: as stored.
        messages: those in the document, when it was just made of them.
    """

    key: str
    document: _Document
    messages: Sequence[Outgoing] | None = None

    @classmethod
    def of(
        cls, key: str, expires: float, outgoing: Sequence[Outgoing], answer: Answer | None, fingerprint: str = ""
    ) -> Record:
        """The record of these; with no messages, they have left."""
        parcels = tuple(_Parcel(it.topic, encode(it.message), it.component, it.due) for it in outgoing)
        return cls(key, _Document(expires, not parcels, parcels, answer, fingerprint), outgoing)

    @classmethod
    def read(cls, key: str, item: StateItem) -> Record:
        """The record in a store.

        Raises:
            StoreError: there is something else.
        """
        return cls(key, read(_decode_document, key, item))

    @property
    def sent(self) -> bool:
        """Whether its messages are known to have left."""
        return self.document.sent

    @property
    def answer(self) -> Answer | None:
        """What a command was answered."""
        return self.document.answer

    @property
    def fingerprint(self) -> str:
        """Of the request, where its sender named it; tells another request of the same name."""
        return self.document.fingerprint

    @property
    def expires(self) -> float:
        """Until when it is kept, in seconds since 1970-01-01 UTC."""
        return self.document.expires

    @property
    def outgoing(self) -> Sequence[Outgoing]:
        """Its messages; none once they are known to have left."""
        if self.messages is not None:
            return self.messages
        return [Outgoing(it.topic, decode(it.message), it.component, it.due) for it in self.document.outgoing]

    def encode(self) -> bytes:
        """As it is stored."""
        return _encode_document(self.document)

    def marked(self) -> Record:
        """The record once its messages have left; it needs them no more."""
        was = self.document
        return Record(self.key, _Document(was.expires, True, (), was.answer, was.fingerprint))
