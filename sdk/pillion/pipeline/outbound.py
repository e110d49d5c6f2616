"""What happens to a message that leaves: encoded, stamped with ids, correlation and deadline, handed to the bridge."""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from pillion.codec.payload import Packed, Payload
from pillion.context import Sending
from pillion.errors import DeadlineExceeded, Failure, InvalidInput
from pillion.message import Message
from pillion.pipeline.facilities import Facilities
from pillion.pipeline.failures import failure_of, unreadable
from pillion.pipeline.present import Present
from pillion.ports.bridge import Outgoing
from pillion.service.command import Command
from pillion.service.event import Event

I = TypeVar("I")  # noqa: E741 - input
O = TypeVar("O")  # noqa: E741 - output
P = TypeVar("P")

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a message leaves, when no message caused it: what an outside caller gives.

    Attributes:
        correlation_id: of the outside request; None makes a new one.
        tenant_id: on whose data the work is done.
        principal_id: who asks.
        traceparent: W3C trace context of the outside request.
        tracestate: W3C trace state of the outside request.
    """

    correlation_id: str | None = None
    tenant_id: str | None = None
    principal_id: str | None = None
    traceparent: str | None = None
    tracestate: str | None = None
    deadline: None = None
    id: None = None


def _timed(outgoing: Outgoing, now: datetime, options: Sending) -> Outgoing:
    """The message with its time to live, its delay and its idempotency key, where it has any."""
    ttl, delay, idempotency_key = options.ttl, options.delay, options.idempotency_key
    if ttl is None and delay is None and idempotency_key is None:
        return outgoing
    if not all(0 < seconds < math.inf for seconds in (ttl, delay) if seconds is not None):
        raise ValueError(f"ttl={ttl} and delay={delay} are seconds above 0; leave out what there is none of")
    expiration = None if ttl is None else now + timedelta(seconds=ttl)
    message = replace(outgoing.message, expiration=expiration, idempotency_key=idempotency_key)
    return outgoing._replace(message=message, due=None if delay is None else now.timestamp() + delay)


class Outbound:
    """Makes messages for one sender and sends them.

    Args:
        facilities: of the host.
        sender: service that sends, ``payments.v1``; empty for the host itself.

    Attributes:
        now: tells the time, as messages have it.
    """

    def __init__(self, facilities: Facilities, sender: str = "") -> None:
        self._bridge = facilities.bridge
        self._claims = facilities.claims
        self._next_id = facilities.ids.next
        self.now = Present(facilities.clock.now).time
        self._callers: dict[Command[Any, Any], Callable[..., Coroutine[Any, Any, Any]]] = {}
        self._source = f"/{facilities.app}/{sender}" if sender else f"/{facilities.app}"

    def call(
        self,
        command: Command[I, O],
        payload: I,
        cause: Message | Cause,
        options: Sending,
        until: datetime | None = None,
    ) -> Coroutine[Any, Any, O]:
        """Send a command and wait for its answer, no longer than ``until``; see ``Context.call``."""
        caller = self._callers.get(command)
        if caller is None:
            caller = self._callers[command] = self._caller(command)
        return caller(payload, cause, options, until)

    def send(self, command: Command[I, Any], payload: I, cause: Message | Cause, options: Sending) -> Outgoing:
        """The message that asks for a command without waiting for its answer."""
        now = self.now()
        message = self._message(command.address, command.input, payload, cause, options.key, now)
        return _timed(Outgoing(command.send_topic, message), now, options)

    def emit(self, event: Event[P], payload: P, cause: Message | Cause, options: Sending) -> Outgoing:
        """The message that tells of an event."""
        now = self.now()
        key = event.key(payload) if options.key is None and event.key is not None else options.key
        message = self._message(event.cloudevent_type or event.address, event.payload, payload, cause, key, now)
        return _timed(Outgoing(event.topic, message, event.component), now, options)

    def answer(self, request: Message, payload: Payload[Any], packed: Packed) -> Message:
        """The answer to a command, already packed."""
        data, data_base64 = packed
        # By position, as in _message; nobody pays for names on this path.
        return Message(
            self._next_id(),
            self._source,
            request.type + ".reply",
            "1.0",
            None,
            None,
            payload.content_type,
            request.correlation_id or request.id,
            request.id,
            None,
            None,
            None,
            request.traceparent,
            request.tracestate,
            data,
            data_base64,
        )

    def failure(self, request: Message, failure: Failure) -> Message:
        """The answer to a command that failed."""
        return Message(
            id=self._next_id(),
            source=self._source,
            type=f"{request.type}.reply",
            specversion="1.0",
            datacontenttype="application/json",
            correlation_id=request.correlation_id or request.id,
            causation_id=request.id,
            traceparent=request.traceparent,
            tracestate=request.tracestate,
            failure_code=failure.code,
            failure_status=failure.status,
            failure_title=failure.title,
            data=Raw(_encode(failure.data)),
        )

    def _caller(
        self, command: Command[I, O]
    ) -> Callable[[I, Message | Cause, Sending, datetime | None], Coroutine[Any, Any, O]]:
        """Calls a command. What is the same for all calls is looked up once: there are many, and every bit counts."""
        present, next_id, source, claims = self.now, self._next_id, self._source, self._claims
        request, topic, address, patience = self._bridge.request, command.topic, command.address, command.patience
        pack, content_type, read = command.input.pack, command.input.content_type, command.output.decode

        async def call(payload: I, cause: Message | Cause, options: Sending, until: datetime | None) -> O:
            now = present()
            timeout = options.timeout
            deadline = now + (patience if timeout is None else timedelta(seconds=timeout))
            if cause.deadline is not None and cause.deadline < deadline:
                deadline = cause.deadline
            if until is not None and until < deadline:
                deadline = until
            if deadline <= now:
                raise DeadlineExceeded(where=address)
            data, data_base64 = pack(payload)
            new_id = next_id()
            # As in _message, which costs a call.
            message = Message(
                new_id, source, address, "1.0", now, options.key, content_type,
                cause.correlation_id or cause.id or new_id, cause.id, cause.tenant_id, cause.principal_id,
                deadline, cause.traceparent, cause.tracestate, data, data_base64,
            )  # fmt: skip
            if options.idempotency_key is not None:
                message = replace(message, idempotency_key=options.idempotency_key)
            reply = await request(topic, message)
            if reply.claim is not None:
                reply = await claims.fetch(reply)
            if reply.failure_code is not None:
                raise failure_of(reply, command)
            try:
                return read(reply)
            except InvalidInput as error:
                raise unreadable(command, error) from None

        return call

    def _message(
        self,
        type_: str,
        payload: Payload[Any],
        value: Any,
        cause: Message | Cause,
        key: str | None,
        now: datetime,
    ) -> Message:
        data, data_base64 = payload.pack(value)
        new_id = self._next_id()
        # By position, in the order of Message's fields: names would cost half a microsecond.
        return Message(
            new_id,
            self._source,
            type_,
            "1.0",
            now,
            key,
            payload.content_type,
            cause.correlation_id or cause.id or new_id,
            cause.id,
            cause.tenant_id,
            cause.principal_id,
            None,
            cause.traceparent,
            cause.tracestate,
            data,
            data_base64,
        )
