"""What happened in a host, message by message, as people read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pillion.message import Message
from pillion.resilience.deadletter import opened
from pillion.service.service import Service
from pillion.service.subscription import Subscription

_WIDEST = 120


class Story:
    """Keeps every message and tells which caused which.

    Args:
        services: what runs, to know who handles which event.
    """

    def __init__(self, services: Sequence[Service[Any, Any]]) -> None:
        self._subscriptions = [found for service in services for found in service.subscriptions.values()]
        self._messages: list[tuple[str, Message]] = []

    def tell(self, topic: str, message: Message) -> None:
        """A message was sent."""
        self._messages.append((topic, message))

    @property
    def letters(self) -> Sequence[Message]:
        """Those that somebody could not handle."""
        return [opened(message) for _, message in self._messages if message.subscriber]

    def lines(self) -> Iterator[str]:
        """Each message below the one that caused it, and who handled it."""
        sent = [(topic, message) for topic, message in self._messages if not message.subscriber]
        known = {message.id for _, message in sent}
        for topic, message in sent:
            if message.causation_id not in known:
                yield from self._branch(sent, topic, message, "")

    def _branch(self, sent: Sequence[tuple[str, Message]], topic: str, message: Message, indent: str) -> Iterator[str]:
        yield f"{indent}{message.type} {_data(message)}".rstrip()
        takers = [taker for taker in self._subscriptions if _takes(taker, topic, message)]
        for taker in takers:
            yield f"{indent}  {self._fate(message, taker)}"
        if not takers and topic != "reply" and not topic.endswith((".commands", ".sends")):
            yield f"{indent}  nobody here listens"
        for caused_topic, caused in sent:
            if caused.causation_id == message.id:
                yield from self._branch(sent, caused_topic, caused, f"{indent}    ")

    def _fate(self, message: Message, taker: Subscription) -> str:
        for letter in self.letters:
            if (letter.id, letter.subscriber) == (message.id, taker.address):
                return f"{taker.address} could not handle it: {letter.failure_title}"
        return f"{taker.address} handled it"


def _takes(taker: Subscription, topic: str, message: Message) -> bool:
    event = taker.event
    if event.topic != topic or event.cloudevent_type not in (None, message.type):
        return False
    return taker.where is None or taker.where.matches(message)


def _data(message: Message) -> str:
    if message.data_base64 is not None:
        return "(bytes)"
    text = message.json.decode(errors="replace")
    return text if len(text) <= _WIDEST else f"{text[:_WIDEST]}…"
