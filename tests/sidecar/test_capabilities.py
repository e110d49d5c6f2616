"""What a declaration asks for and its component does not give is told, with what does."""

from __future__ import annotations

from typing import Any

from pillion.message import Message
from pillion.outcome import Outcome
from pillion.ports.bridge import Kind, Route
from pillion.sidecar.capabilities import capabilities, missing


async def handle(_: Message) -> Outcome:
    raise AssertionError("nothing is delivered here")


def asks(**wishes: Any) -> Route:
    return Route(Kind.EVENT, "orders.v1.note", "orders.v1", "payments.v1.charged", handle, **wishes)


ORDERED = asks(key=lambda _: "a")


def test_an_unknown_type_has_no_known_capabilities() -> None:
    assert capabilities("pubsub.carrier-pigeon") is None


def test_what_a_component_gives_may_be_asked_for() -> None:
    types = {"pubsub": "pubsub.kafka", "broadcast": "pubsub.redis"}
    assert missing([("pubsub", ORDERED), ("broadcast", asks(broadcast=True)), ("pubsub", asks())], types) == []


def test_order_is_refused_where_there_is_none() -> None:
    (text,) = missing([("pubsub", ORDERED)], {"pubsub": "pubsub.redis"})
    assert "orders.v1.note: key= asks for order by key, which component pubsub (pubsub.redis) does not give" in text
    assert "pubsub.in-memory (profile local), pubsub.kafka (profile kafka) do" in text


def test_a_broadcast_is_refused_where_there_is_none() -> None:
    (text,) = missing([("broadcast", asks(broadcast=True))], {"broadcast": "pubsub.azure.servicebus.queues"})
    assert "broadcast=True asks for each message at every instance" in text


def test_nothing_is_refused_of_a_type_that_is_not_known() -> None:
    assert missing([("pubsub", ORDERED)], {"pubsub": "pubsub.carrier-pigeon"}) == []


def test_the_component_that_brings_the_messages_decides() -> None:
    types = {"pubsub": "pubsub.redis", "ledger": "pubsub.kafka"}
    assert missing([("ledger", ORDERED)], types) == []
