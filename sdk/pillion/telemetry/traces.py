"""Spans by OpenTelemetry's semantic conventions, and W3C trace context in the attributes of CloudEvents.

Sources: https://opentelemetry.io/docs/specs/semconv/rpc/rpc-spans/, …/messaging/messaging-spans/,
…/database/database-spans/ and …/http/http-spans/. The names are written out here, because the Python package has them
only in modules marked as private.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from msgspec.structs import replace
from opentelemetry.context import Context
from opentelemetry.trace import (
    Span,
    SpanKind,
    Status,
    StatusCode,
    TracerProvider,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from pillion.errors import Failure
from pillion.message import Message
from pillion.outcome import Verdict
from pillion.ports.bridge import Kind, Outgoing

SYSTEM = "pillion"


class MessageTracer:
    """Opens the spans of one host.

    Args:
        provider: OpenTelemetry's tracer provider.
    """

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("pillion")
        self._w3c = TraceContextTextMapPropagator()

    @contextmanager
    def handling(self, address: str, kind: Kind, message: Message) -> Iterator[None]:
        """A span around one attempt of a handler, which continues the message's trace.

        What is raised inside is recorded: failures below 500 are answers, so only their code; a verdict is a decision.
        """
        if kind is Kind.COMMAND:
            name, span_kind, attributes = address, SpanKind.SERVER, _rpc(address)
        else:
            name, span_kind = f"process {message.type}", SpanKind.CONSUMER
            attributes = _messaging(message, "process", message.topic or message.type)
            attributes["messaging.destination.subscription.name"] = address
        with self._span(name, span_kind, attributes, self._incoming(message)) as span:
            span.set_attribute("messaging.message.id", message.id)
            span.set_attribute("pillion.attempt", message.attempt)
            yield

    @contextmanager
    def calling(self, message: Message) -> Iterator[tuple[Message, Span]]:
        """A client span around a call: the message that carries it, and the span, for ``answered``."""
        address = message.type
        with self._span(address, SpanKind.CLIENT, _rpc(address), self._parent(message)) as span:
            yield self._stamped(message), span

    def answered(self, span: Span, reply: Message) -> None:
        """Record a reply: for its caller every failure is an error."""
        if reply.failure_code is not None:
            _failed(span, reply.failure_code, reply.failure_title or "")

    @contextmanager
    def publishing(self, messages: Sequence[Outgoing]) -> Iterator[list[Outgoing]]:
        """A producer span for each message, and the messages that carry them."""
        spans = [self._producer(outgoing) for outgoing in messages]
        try:
            yield [outgoing for _, outgoing in spans]
        except Exception as error:
            for span, _ in spans:
                _broken(span, error)
            raise
        finally:
            for span, _ in spans:
                span.end()

    @contextmanager
    def storing(self, operation: str, component: str, batch: int = 1) -> Iterator[None]:
        """A client span around one operation of a store; neither keys nor values are recorded.

        Only within another span: a host looks after parked messages all the time, and no look is a trace of its own.
        """
        if not get_current_span().get_span_context().is_valid:
            yield
            return
        attributes: dict[str, AttributeValue] = {
            "db.system.name": SYSTEM,
            "db.operation.name": operation,
            "db.collection.name": component,
        }
        if batch > 1:
            attributes["db.operation.batch.size"] = batch
        with self._span(f"{operation} {component}", SpanKind.CLIENT, attributes, None):
            yield

    @contextmanager
    def serving(self, method: str, route: str, headers: Mapping[str, str]) -> Iterator[Span]:
        """A server span around an HTTP request, continuing the trace in its headers; calls inside are its children.

        Args:
            method: for example ``POST``.
            route: the path's template, for example ``/orders/{order_id}``.
            headers: of the request, with lower-case names.
        """
        attributes: dict[str, AttributeValue] = {"http.request.method": method, "http.route": route}
        parent = self._w3c.extract(headers, context=Context())
        with self._span(f"{method} {route}", SpanKind.SERVER, attributes, parent) as span:
            yield span

    def responded(self, span: Span, status: int) -> None:
        """Record the status of an HTTP response."""
        span.set_attribute("http.response.status_code", status)
        if status >= 500:
            _failed(span, str(status), "")

    @contextmanager
    def _span(
        self, name: str, kind: SpanKind, attributes: dict[str, AttributeValue], parent: Context | None
    ) -> Iterator[Span]:
        started = self._tracer.start_as_current_span(
            name, parent, kind, attributes, record_exception=False, set_status_on_exception=False
        )
        with started as span:
            try:
                yield span
            except Exception as error:
                _raised(span, error, server=kind is not SpanKind.CLIENT)
                raise

    def _producer(self, outgoing: Outgoing) -> tuple[Span, Outgoing]:
        topic, message = outgoing.topic, outgoing.message
        span = self._tracer.start_span(
            f"publish {topic}", self._parent(message), SpanKind.PRODUCER, _messaging(message, "publish", topic)
        )
        return span, outgoing._replace(message=self._stamped(message, span))

    def _parent(self, message: Message) -> Context | None:
        """The current span; where there is none, the trace of what caused the message."""
        return None if get_current_span().get_span_context().is_valid else self._incoming(message)

    def _incoming(self, message: Message) -> Context:
        carrier = {"traceparent": message.traceparent or "", "tracestate": message.tracestate or ""}
        # From an empty context: what happens to be current here is not what sent the message.
        return self._w3c.extract({name: value for name, value in carrier.items() if value}, context=Context())

    def _stamped(self, message: Message, span: Span | None = None) -> Message:
        carrier: dict[str, str] = {}
        self._w3c.inject(carrier, context=None if span is None else set_span_in_context(span, Context()))
        if not carrier:
            return message
        return replace(message, traceparent=carrier["traceparent"], tracestate=carrier.get("tracestate"))


def _rpc(address: str) -> dict[str, AttributeValue]:
    group, _, name = address.rpartition(".")
    return {"rpc.system.name": SYSTEM, "rpc.method": f"{group}/{name}"}


def _messaging(message: Message, operation: str, topic: str) -> dict[str, AttributeValue]:
    return {
        "messaging.system": SYSTEM,
        "messaging.operation.name": operation,
        "messaging.operation.type": "process" if operation == "process" else "send",
        "messaging.destination.name": topic,
        "messaging.message.id": message.id,
        "messaging.message.conversation_id": message.correlation_id or message.id,
    }


def _raised(span: Span, error: Exception, *, server: bool) -> None:
    if isinstance(error, Verdict):
        span.set_attribute("pillion.verdict", type(error).__name__)
    elif not isinstance(error, Failure):
        _broken(span, error)
    elif server and error.status < 500:
        span.set_attribute("error.type", error.code)
    else:
        _failed(span, error.code, str(error))


def _failed(span: Span, code: str, text: str) -> None:
    span.set_attribute("error.type", code)
    span.set_status(Status(StatusCode.ERROR, text or None))


def _broken(span: Span, error: Exception) -> None:
    span.record_exception(error)
    _failed(span, type(error).__qualname__, str(error))
