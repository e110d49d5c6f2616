"""What a bridge must do: move messages between hosts. Nothing above this port knows which bridge it has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol, TypeAlias

from pillion.flow import Handle
from pillion.message import Message
from pillion.outcome import Outcome

# Told once what became of a message that was kept: it is forgotten, or, for a ``Retry``, handled from where it is kept.
Release: TypeAlias = Callable[[Outcome], Awaitable[None]]


class Kind(Enum):
    """What a route carries."""

    COMMAND = "command"
    SEND = "send"
    EVENT = "event"


@dataclass(frozen=True, slots=True)
class Route:
    """One handler and where its messages come from.

    Attributes:
        kind: commands wait for a reply, sends and events do not.
        address: what handles, for example ``payments.v1.charge`` or ``orders.v1.refund``.
        group: consumers of one group share the messages of a topic; the service's name and version.
        topic: where the messages come from.
        handle: takes one message and answers with its outcome.
        types: only messages of these CloudEvents types; empty takes all of the topic.
        component: pub/sub component of the topic.
        dead_letter_topic: where messages go that cannot be handled.
        broadcast: every instance gets each message, instead of one of the group.
        raw: messages of the topic are bare payloads, not CloudEvents.
        concurrency: how many messages are handled at once, at most.
        slow: has a subscription of its own, so that it holds up nobody else.
        rule: CEL expression for Dapr's routing, equal to the filter in ``handle``; None when there is none.
        key: messages for which it gives the same text are handled one after another, in the order they came; None, or
            an answer of None, is no order.
        durable: a command that must not be lost even when its caller has gone: it is answered to the broker in a way
            that nothing but this process can have said.
        custody: keeps a message that takes long in hand, so that the broker may forget it before it is handled; None
            where only the broker has it.
        timeout: seconds one attempt may take; None is unlimited.
        longest_wait: seconds for which a message waits in hand between its attempts, at most, if it cannot be parked.
        shelf: state component where a message that has to wait is parked, if it is there and keeps ETags, or None.
        needs: state component that must be there and keep ETags; without it the route is left out.
    """

    kind: Kind
    address: str
    group: str
    topic: str
    handle: Handle
    types: tuple[str, ...] = ()
    component: str = "pubsub"
    dead_letter_topic: str | None = None
    broadcast: bool = False
    raw: bool = False
    concurrency: int = 100
    slow: bool = False
    rule: str | None = None
    key: Callable[[Message], str | None] | None = None
    durable: bool = False
    custody: Callable[[Message], Awaitable[Release]] | None = None
    timeout: float | None = None
    longest_wait: float = 0.0
    shelf: str | None = None
    needs: str | None = None

    @property
    def ordered(self) -> bool:
        """Whether messages of one key are handled one after another."""
        return self.key is not None


class Outgoing(NamedTuple):
    """A message and the topic it goes to.

    Attributes:
        topic, message: where it goes, and what.
        component: pub/sub component of the topic.
        due: seconds since 1970-01-01 UTC before which it must not leave; None lets it go at once. Bridges never see it.
    """

    topic: str
    message: Message
    component: str = "pubsub"
    due: float | None = None


class Bridge(Protocol):
    """Moves messages. Implementations: ``pillion.bridges.memory`` and ``pillion.bridges.dapr``."""

    @property
    def longest_hold(self) -> float:
        """Seconds for which a message may wait in hand without holding up others; known once the bridge is started."""
        ...

    @property
    def alone(self) -> bool:
        """Whether no other process, and no other host, gets messages of the same queues now."""
        ...

    @property
    def forgets_calls(self) -> bool:
        """Whether others outlive this process, but nobody brings them the calls that it had in hand."""
        ...

    def bind(self, routes: Sequence[Route]) -> None:
        """Know what will be delivered; comes before ``start``."""

    async def start(self) -> None:
        """Connect; returns when messages can be published.

        Raises:
            ConfigurationError: the routes ask for what the bridge or its profile does not have.
        """

    async def open(self) -> None:
        """Deliver messages from now on."""

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        """Hand messages over; returns when all are accepted.

        Raises:
            BridgeError: at least one was not accepted; which ones did leave is not known.
        """

    async def request(self, topic: str, message: Message) -> Message:
        """Send a command and wait for its reply until the message's deadline.

        Raises:
            DeadlineExceeded: no reply came in time.
            BridgeError: the command did not leave.
        """
        ...

    async def drain(self, limit: float) -> int:
        """Take no more messages and finish those in hand, within ``limit`` seconds; how many were cut off."""
        ...

    async def close(self) -> None:
        """Let go of all resources. Safe to call twice."""

    async def problems(self) -> Sequence[str]:
        """What is not up, one sentence each; empty when the bridge delivers."""
        ...
