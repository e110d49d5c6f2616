"""The entries of a catalog: services and their parts as frozen, JSON-serialisable data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from pydantic import TypeAdapter


@dataclass(frozen=True)
class TypeEntry:
    """A type that crosses the wire: how Python writes it, and its JSON Schema."""

    name: str
    schema: dict[str, Any]


@dataclass(frozen=True)
class FailureEntry:
    """A failure that a command declares; ``data`` is the JSON Schema of its fields."""

    code: str
    status: int
    title: str
    retryable: bool
    data: dict[str, Any]


@dataclass(frozen=True)
class ExposeEntry:
    """How a command is offered over HTTP."""

    method: str
    path: str
    public: bool
    query: tuple[str, ...]
    status: int
    tags: tuple[str, ...]


@dataclass(frozen=True)
class RetryEntry:
    """One retry policy.

    Attributes:
        on: names of the exceptions it is for; empty for all others.
        attempts: how many in all.
        backoff: the range of seconds between them.
    """

    on: tuple[str, ...]
    attempts: int
    backoff: tuple[float, float]


@dataclass(frozen=True)
class HandlerEntry:
    """What a handler does besides its work.

    Attributes:
        calls, emits: addresses of the commands and events that it may use.
        guards: names of its checks, in order.
        timeout: seconds it may take; None is unlimited.
        concurrency: how many run at once, at most, in one process.
        retries: how it is tried again, the first policy that fits.
        once: seconds for which handled messages are remembered, so that none has effects twice; None: not.
    """

    calls: tuple[str, ...]
    emits: tuple[str, ...]
    guards: tuple[str, ...]
    timeout: float | None
    concurrency: int
    retries: tuple[RetryEntry, ...]
    once: float | None


@dataclass(frozen=True)
class CommandEntry:
    """A command.

    Attributes:
        address: ``payments.v1.charge``.
        timeout: seconds a caller waits by default.
        emits_result: address of the event that carries each success, or None.
        announced: its ``succeeded`` and ``failed`` events are published.
        handler: None when only its contract is known.
    """

    address: str
    name: str
    description: str
    deprecated: str
    input: TypeEntry
    output: TypeEntry
    failures: tuple[FailureEntry, ...]
    timeout: float
    emits_result: str | None
    announced: bool
    expose: ExposeEntry | None
    examples: tuple[Any, ...]
    handler: HandlerEntry | None


@dataclass(frozen=True)
class EventEntry:
    """An event that a contract declares."""

    address: str
    name: str
    description: str
    deprecated: str
    topic: str
    component: str
    payload: TypeEntry
    examples: tuple[Any, ...]


@dataclass(frozen=True)
class SubscriptionEntry:
    """A reaction to an event.

    Attributes:
        address: ``orders.v1.refund``.
        event: address of what it reacts to; a topic for foreign events.
        filtered: it wants only some of the events.
        rule: which ones, in Dapr's routing language; None when that cannot say it.
        ordered: events of one key are handled one after another.
    """

    address: str
    name: str
    event: str
    topic: str
    component: str
    payload: TypeEntry
    raw: bool
    filtered: bool
    rule: str | None
    dead_letter: bool
    broadcast: bool
    slow: bool
    ordered: bool
    handler: HandlerEntry


@dataclass(frozen=True)
class ServiceEntry:
    """One service in one version.

    Attributes:
        group: ``payments.v1``.
        config: JSON Schema of its settings, or None.
        state: its state component; None when only its contract is known.
    """

    group: str
    name: str
    version: int
    description: str
    deprecated: str
    config: dict[str, Any] | None
    state: str | None
    commands: tuple[CommandEntry, ...]
    events: tuple[EventEntry, ...]
    subscriptions: tuple[SubscriptionEntry, ...]


@dataclass(frozen=True)
class Link:
    """One edge of the graph: a handler calls a command, emits an event, or reads one.

    Attributes:
        handler: address of the handler.
        does: what it does with the other.
        target: address of the command or event.
        known: the other is declared by one of the services here.
    """

    handler: str
    does: Literal["calls", "emits", "reads"]
    target: str
    known: bool


@dataclass(frozen=True)
class Catalog:
    """Services, and the links between them."""

    services: tuple[ServiceEntry, ...]
    links: tuple[Link, ...]

    def as_json(self) -> dict[str, Any]:
        """The same as dictionaries, lists and scalars only."""
        return TypeAdapter(dict[str, Any]).dump_python(asdict(self), mode="json")  # type: ignore[no-any-return]
