"""Events: what a service tells whoever listens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

from pillion.codec.payload import Payload
from pillion.service.names import topic_name

P = TypeVar("P")

# The component that carries what names no other.
COMPONENT = "pubsub"


@dataclass(frozen=True, eq=False)
class Event(Generic[P]):
    """Something that happened, with a payload of type ``P``. Made by ``Contract.event`` or ``foreign_event``.

    Attributes:
        address: ``payments.v1.charged``; for foreign events the topic.
        payload_type: any type that pydantic supports.
        topic: where it is published.
        cloudevent_type: its CloudEvents type; None accepts any, which only foreign events do.
        component: pub/sub component of the topic.
        raw: published as a bare payload, without a CloudEvent around it (foreign events only).
        description, examples, deprecated: for documents; ``deprecated`` says what to use instead.
        key: gives a payload's ordering key, the CloudEvents subject; None leaves it to ``key=`` of ``emit``.
        announced: False for the outcome of a command that is not ``announced``, which nobody publishes.
    """

    address: str
    payload_type: type[P]
    topic: str
    cloudevent_type: str | None
    component: str = COMPONENT
    raw: bool = False
    description: str = ""
    examples: tuple[Any, ...] = ()
    deprecated: str = ""
    key: Callable[[P], str] | None = None
    announced: bool = True

    @cached_property
    def payload(self) -> Payload[P]:
        """Reads and writes the payload."""
        return Payload(self.payload_type, self.address)

    def __repr__(self) -> str:
        return f"<event {self.address}>"


def foreign_event(
    topic: str,
    payload: type[P],
    *,
    type: str | None = None,  # noqa: A002 - CloudEvents' name for it
    component: str = COMPONENT,
    raw: bool = False,
    description: str = "",
) -> Event[P]:
    """An event published by an application that is not built on pillion.

    Args:
        topic: its topic.
        payload: type of its data.
        type: only CloudEvents of this type; None takes all. Dapr's default envelope has ``com.dapr.event.sent``.
        component: pub/sub component that carries the topic.
        raw: the publisher sends bare payloads, not CloudEvents (Dapr's ``rawPayload``).
        description: for documents.

    Raises:
        DeclarationError: the topic's name is not valid on every broker.
    """
    return Event(topic_name(topic), payload, topic, type, component, raw, description)
