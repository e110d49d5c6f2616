"""The one thing that crosses a bridge: a CloudEvents 1.0 event whose metadata are extension attributes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Any, TypeAlias

from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

# CloudEvents' timestamps are RFC 3339's, which say their offset; what does not cannot be compared with the clock.
Instant: TypeAlias = Annotated[datetime, Meta(tz=True)]

# One for all messages: a dict for each would cost a tenth of what it takes to read one.
NO_EXTENSIONS: Mapping[str, Any] = MappingProxyType({})


# Nothing in a message can point back to it, so the garbage collector need not look: a tenth of a round trip.
class Message(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """A CloudEvent; attribute names are CloudEvents' own, or Python's spelling of our extension attributes.

    Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md

    Attributes:
        id: unique per message; with ``source`` it identifies the event.
        source: app and service that sent it, for example ``/shop/payments.v1``.
        type: ``payments.v1.charge`` or ``payments.v1.charged``.
        specversion: always ``1.0`` for our own messages.
        time: when it was made, or None.
        subject: the ordering key, or None.
        datacontenttype: media type of the data; None means JSON.
        dataschema: URI of the data's schema, or None.
        correlation_id: same on every message that one outside request caused.
        causation_id: id of the message that caused this one; in a reply, of the request.
        tenant_id: on whose data the work is done, or None.
        principal_id: who asked for it, or None.
        deadline: the caller waits until then; later the work is not begun. None: no one waits.
        reply_to: topic that takes the reply, or None.
        traceparent: W3C trace context.
        tracestate: W3C trace state.
        attempt: which attempt to handle it this is, from 1; the first is not written.
        failure_code: in a reply or a dead letter: why it failed.
        failure_status: HTTP status of the failure.
        failure_title: one sentence about the failure.
        failure_place: in a dead letter: where in the service's code it failed, file and line.
        subscriber: in a dead letter: what failed to handle it, for example ``orders.v1.refund``.
        expiration: after this time the message is worth nothing and is dropped.
        idempotency_key: the sender's name for this request: all messages with it ask for the same thing once.
        claim: key of the payload in the claims store, which carries it instead of the message.
        first_failed: of a message that was a dead letter and is handled again: when it became one first.
        replays: how often it was a dead letter and was handled again. None: never.
        topic: topic it came from, as Dapr adds it.
        pubsubname: component it came from, as Dapr adds it.
        traceid: trace id as Dapr adds it; always a string.
        data: payload as JSON text; see ``json``.
        data_base64: payload as base64, for bytes.
        extensions: all other attributes of the event, unchanged.
    """

    id: str
    source: str
    type: str
    specversion: str
    time: Instant | None = None
    subject: str | None = None
    datacontenttype: str | None = None
    correlation_id: str | None = field(default=None, name="correlationid")
    causation_id: str | None = field(default=None, name="causationid")
    tenant_id: str | None = field(default=None, name="tenantid")
    principal_id: str | None = field(default=None, name="principalid")
    deadline: Instant | None = None
    traceparent: str | None = None
    tracestate: str | None = None
    data: Raw | UnsetType = UNSET
    data_base64: str | None = None
    dataschema: str | None = None
    reply_to: str | None = field(default=None, name="replyto")
    attempt: int = 1
    failure_code: str | None = field(default=None, name="failurecode")
    failure_status: int | None = field(default=None, name="failurestatus")
    failure_title: str | None = field(default=None, name="failuretitle")
    subscriber: str | None = None
    expiration: Instant | None = None
    idempotency_key: str | None = field(default=None, name="idempotencykey")
    claim: str | None = field(default=None, name="claimcheck")
    topic: str | None = None
    pubsubname: str | None = None
    traceid: str | None = None
    failure_place: str | None = field(default=None, name="failureplace")
    first_failed: Instant | None = field(default=None, name="firstfailed")
    replays: int | None = None
    # CloudEvents allows only letters and digits, so no attribute of an event can have this name.
    extensions: Mapping[str, Any] = field(default=NO_EXTENSIONS, name="-")

    @property
    def json(self) -> bytes:
        """The payload as JSON text; empty when the message has none."""
        return b"" if self.data is UNSET else bytes(self.data)
