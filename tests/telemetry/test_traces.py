"""One order over several hosts is one trace."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext, SpanKind, StatusCode, get_current_span
from pydantic import BaseModel

from pillion.bridges.memory.bridge import MemoryBridge
from pillion.bridges.memory.broker import MemoryBroker
from pillion.context import Context
from pillion.errors import Failure, InternalError, RemoteFailure
from pillion.message import Message
from pillion.outcome import Retry
from pillion.pipeline.outbound import Cause
from pillion.runtime.host import Host
from pillion.runtime.stores import Stores
from pillion.service.contract import Contract
from pillion.service.service import Service
from pillion.stores.memory import MemoryStateStore

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
CAUSE = Cause(traceparent=f"00-{TRACE}-{PARENT}-01", tracestate="vendor=1")


class Card(BaseModel):
    number: str


class Declined(Failure):
    """The card was declined."""

    status = 402


payments = Contract("payments", version=1)
charge = payments.command("charge", Card, str, raises=[Declined])
charged = payments.event("charged", str)
orders = Contract("orders", version=1)
place = orders.command("place", Card, str)
mail = Contract("mail", version=1)
sent = mail.event("sent", str)


def payments_service() -> Service:
    service = Service(payments)

    @service.handles(charge, emits=[charged])
    async def charge_card(ctx: Context, card: Card) -> str:
        if card.number == "declined":
            raise Declined
        if card.number == "broken":
            raise ValueError("no such card")
        ctx.emit(charged, card.number)
        return "ok"

    return service


def orders_service() -> Service:
    service = Service(orders)

    @service.handles(place, calls=[charge])
    async def place_order(ctx: Context, card: Card) -> str:
        await ctx.state.set("order", card.number)
        return await ctx.call(charge, card)

    return service


def mail_service(failures: int = 0) -> Service:
    service = Service(mail)
    left = [failures]

    @service.on(charged, emits=[sent], retry=Retry(attempts=3, backoff="1ms"))
    async def thank(ctx: Context, number: str) -> None:
        if left[0]:
            left[0] -= 1
            raise OSError("mail server is down")
        ctx.emit(sent, number)

    return service


class Traced:
    """Hosts that share a broker, each with a tracer of its own, and the spans they ended."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.broker = MemoryBroker()
        self.watched: list[Message] = []

    def provider(self) -> TracerProvider:
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        return provider

    def host(self, service: Service, *, traced: bool = True) -> Host:
        return Host(
            service,
            bridge=MemoryBridge(self.broker, watch=lambda _, message: self.watched.append(message)),
            stores=Stores(lambda _: MemoryStateStore()),
            tracer_provider=self.provider() if traced else None,
        )

    def spans(self) -> dict[tuple[str, SpanKind], ReadableSpan]:
        return {(span.name, span.kind): span for span in self.exporter.get_finished_spans()}

    @asynccontextmanager
    async def running(self, *services: Service, traced: bool = True) -> AsyncIterator[Host]:
        async with AsyncExitStack() as stack:
            hosts = [await stack.enter_async_context(self.host(service, traced=traced)) for service in services]
            yield hosts[0]
            await self.broker.quiet()


@pytest.fixture
def world() -> Traced:
    return Traced()


async def placed(world: Traced, number: str = "1234", failures: int = 0) -> dict[tuple[str, SpanKind], ReadableSpan]:
    async with world.running(orders_service(), payments_service(), mail_service(failures)) as host:
        with suppress(Failure):
            await host.call(place, Card(number=number), cause=CAUSE)
    return world.spans()


def parent_of(span: ReadableSpan) -> int:
    assert span.parent is not None
    return span.parent.span_id


def id_of(span: ReadableSpan) -> int:
    return context_of(span).span_id


def context_of(span: ReadableSpan) -> SpanContext:
    context = span.get_span_context()
    assert context is not None
    return context


async def test_a_call_an_event_and_its_reaction_in_three_hosts_are_one_trace(world: Traced) -> None:
    spans = await placed(world)
    assert {f"{context_of(span).trace_id:032x}" for span in spans.values()} == {TRACE}


async def test_each_span_is_the_child_of_what_caused_it(world: Traced) -> None:
    spans = await placed(world)
    chain = [
        ("orders.v1.place", SpanKind.CLIENT),
        ("orders.v1.place", SpanKind.SERVER),
        ("payments.v1.charge", SpanKind.CLIENT),
        ("payments.v1.charge", SpanKind.SERVER),
        ("publish payments.v1.charged", SpanKind.PRODUCER),
        ("process payments.v1.charged", SpanKind.CONSUMER),
        ("publish mail.v1.sent", SpanKind.PRODUCER),
    ]
    parents = [parent_of(spans[key]) for key in chain]
    assert parents == [int(PARENT, 16), *(id_of(spans[key]) for key in chain[:-1])]


async def test_a_store_operation_is_a_client_span_within_the_handler(world: Traced) -> None:
    spans = await placed(world)
    stored = spans["write orders-state", SpanKind.CLIENT]
    assert parent_of(stored) == id_of(spans["orders.v1.place", SpanKind.SERVER])
    assert stored.attributes is not None
    assert "1234" not in str(dict(stored.attributes))


async def test_attributes_follow_the_messaging_conventions(world: Traced) -> None:
    attributes = (await placed(world))["process payments.v1.charged", SpanKind.CONSUMER].attributes or {}
    assert attributes["messaging.operation.type"] == "process"
    assert attributes["messaging.destination.name"] == "payments.v1.charged"
    assert attributes["messaging.destination.subscription.name"] == "mail.v1.thank"


async def test_an_expected_failure_is_an_error_for_the_caller_only(world: Traced) -> None:
    spans = await placed(world, "declined")
    client, server = spans["payments.v1.charge", SpanKind.CLIENT], spans["payments.v1.charge", SpanKind.SERVER]
    assert (client.status.status_code, server.status.status_code) == (StatusCode.ERROR, StatusCode.UNSET)
    assert (server.attributes or {})["error.type"] == "declined"


async def test_an_unexpected_error_is_recorded_where_it_happened(world: Traced) -> None:
    server = (await placed(world, "broken"))["payments.v1.charge", SpanKind.SERVER]
    assert server.status.status_code is StatusCode.ERROR
    assert (server.events[0].attributes or {})["exception.message"] == "no such card"


async def test_each_attempt_has_a_span(world: Traced) -> None:
    await placed(world, failures=1)
    attempts = [span for span in world.exporter.get_finished_spans() if span.kind is SpanKind.CONSUMER]
    assert [span.status.status_code for span in attempts] == [StatusCode.ERROR, StatusCode.UNSET]
    assert len({span.parent.span_id for span in attempts if span.parent}) == 1


async def test_a_message_without_a_trace_starts_one_of_its_own(world: Traced) -> None:
    async with world.running(mail_service()) as host:
        tracer = host.tracer
        assert tracer is not None
        event = b'{"specversion":"1.0","id":"1","source":"/x","type":"payments.v1.charged","data":"x"}'
        with tracer.storing("get", "somewhere"):
            await host.bridge.publish_bytes("payments.v1.charged", event)  # type: ignore[attr-defined]
    spans = world.spans()
    assert spans["process payments.v1.charged", SpanKind.CONSUMER].parent is None


async def test_a_current_span_is_the_parent_of_a_call(world: Traced) -> None:
    async with world.running(payments_service()) as host:
        assert host.tracer is not None
        with host.tracer.serving("POST", "/charges", {"traceparent": f"00-{TRACE}-{PARENT}-01"}) as span:
            await host.call(charge, Card(number="1"))
            host.tracer.responded(span, 200)
    spans = world.spans()
    served = spans["POST /charges", SpanKind.SERVER]
    assert parent_of(served) == int(PARENT, 16)
    assert parent_of(spans["payments.v1.charge", SpanKind.CLIENT]) == id_of(served)


async def test_a_publish_that_the_bridge_refuses_is_an_error(world: Traced) -> None:
    async with world.running(payments_service()) as host:
        assert host.tracer is not None
        with pytest.raises(OSError, match="gone"), host.tracer.publishing([]):
            raise OSError("gone")
        with pytest.raises(RemoteFailure), host.tracer.calling(_request()):
            raise RemoteFailure(remote_code="x", remote_status=500)
    assert world.spans()["payments.v1.charge", SpanKind.CLIENT].status.status_code is StatusCode.ERROR


async def test_with_tracing_off_the_incoming_trace_is_passed_on(world: Traced) -> None:
    async with world.running(orders_service(), payments_service(), traced=False) as host:
        await host.call(place, Card(number="1"), cause=CAUSE)
    assert {(message.traceparent, message.tracestate) for message in world.watched} == {
        (CAUSE.traceparent, CAUSE.tracestate)
    }


async def test_no_span_is_left_current_for_the_next_message(world: Traced) -> None:
    async with world.running(payments_service()) as host:
        with pytest.raises(InternalError):
            await host.call(charge, Card(number="broken"))
        assert not get_current_span().get_span_context().is_valid


def _request() -> Message:
    return Message(id="1", source="/x", type="payments.v1.charge", specversion="1.0")
