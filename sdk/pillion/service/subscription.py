"""Subscriptions and command handlers: a declaration and the function that fulfils it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pillion.codec.payload import Payload
from pillion.outcome import Retry
from pillion.resilience.pause import Pause
from pillion.service.command import Command
from pillion.service.event import Event
from pillion.service.filter import Filter
from pillion.service.guard import Guard
from pillion.service.keywords import Key
from pillion.service.signature import Signature


@dataclass(frozen=True, eq=False)
class Handler:
    """What command handlers and subscriptions have in common.

    Attributes:
        address: ``payments.v1.charge`` or ``orders.v1.refund``: names it in logs, errors and traces.
        function: the user's function.
        signature: what it takes and gives.
        input: reads the payload off the wire.
        calls: commands it may call or send.
        emits: events it may emit.
        guards: checks before and after it.
        transform_in: makes the handler's payload of the one on the wire, or None.
        handler_input: validates what ``transform_in`` made, or None.
        transform_out: makes the answer on the wire of the handler's, or None.
        handler_output: validates the handler's answer before ``transform_out``, or None.
        timeout: seconds the handler may take; None is unlimited.
        concurrency: how many run at once, at most, in one process.
        retries: how often and how fast it is tried again, the first policy that fits; empty is ``Retry()``.
        once: seconds for which messages that were handled are remembered, so that none has effects twice; None: not.
    """

    address: str
    function: Callable[..., Any]
    signature: Signature
    input: Payload[Any]
    calls: tuple[Command[Any, Any], ...]
    emits: tuple[Event[Any], ...]
    guards: tuple[Guard, ...]
    transform_in: Callable[..., Any] | None
    handler_input: Payload[Any] | None
    transform_out: Callable[..., Any] | None
    handler_output: Payload[Any] | None
    timeout: float | None
    concurrency: int
    retries: tuple[Retry, ...]
    once: float | None


@dataclass(frozen=True, eq=False)
class CommandHandler(Handler):
    """Fulfils a command.

    Attributes:
        command: the contract's side of it.
    """

    command: Command[Any, Any]


@dataclass(frozen=True, eq=False)
class Subscription(Handler):
    """Reacts to an event.

    Attributes:
        event: what it reacts to.
        where: which of the events, or None for all.
        key: gives the ordering key: the CloudEvents subject, or a function of the payload; None is no order.
        pause: when and how long to stop taking events because all fail; None never does.
        dead_letter: set aside what cannot be handled; False logs and drops it.
        broadcast: every instance gets each event, instead of one instance of the service.
        slow: takes long by nature, so it gets a subscription of its own and holds up nobody else.
    """

    event: Event[Any]
    where: Filter | None
    key: Key[Any]
    pause: Pause | None
    dead_letter: bool
    broadcast: bool
    slow: bool
