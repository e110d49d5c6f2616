"""What one handler may reach; checks that it calls and emits only what it declares."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Coroutine
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from pillion.context import Fallback, Sending
from pillion.errors import ConfigurationError, DeadlineExceeded, UndeclaredError
from pillion.message import Message
from pillion.pipeline.outbound import Outbound
from pillion.ports.bridge import Outgoing
from pillion.ports.store import StateStore
from pillion.resilience.breaker import SICK, Circuits
from pillion.resilience.inbox import Inbox
from pillion.resilience.letters import Letters
from pillion.resilience.shelf import Shelf
from pillion.service.command import Command
from pillion.service.event import Event
from pillion.service.subscription import Handler

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from pillion.configuration import Configuration
    from pillion.secrets import Secrets
    from pillion.state import State

I = TypeVar("I")  # noqa: E741 - input
O = TypeVar("O")  # noqa: E741 - output
P = TypeVar("P")


class Provisions(Protocol):
    """What the runtime opened for one service."""

    settings: Any
    resources: Any
    shelf: Shelf | None
    letters: Letters | None
    store: StateStore | None

    def inbox(self, window: float, lease: float) -> Inbox: ...

    def state(self, message: Message, held: StateStore | None = None) -> State: ...

    def secrets(self) -> Secrets: ...

    def config(self) -> Configuration: ...

    def log(self, message: Message, address: str) -> FilteringBoundLogger: ...


async def _or_else(answer: Coroutine[Any, Any, O], fallback: Fallback[O]) -> O:
    try:
        return await answer
    except SICK as error:
        instead = fallback(error)
        return cast("O", await instead if inspect.isawaitable(instead) else instead)


async def _over(address: str) -> Any:
    """Nobody is asked any more, so no breaker hears of it."""
    raise DeadlineExceeded(where=address)


class HandlerScope:
    """The ``Scope`` of one handler."""

    def __init__(
        self,
        handler: Handler,
        provisions: Provisions,
        outbound: Outbound,
        circuits: Circuits | None,
    ) -> None:
        self._circuits = circuits
        self._address = handler.address
        self._calls = frozenset(command.address for command in handler.calls)
        self._emits = frozenset(event.address for event in handler.emits)
        self._provisions = provisions
        self._outbound = outbound
        self.state = provisions.state
        self.secrets = provisions.secrets
        self.config = provisions.config

    @property
    def settings(self) -> Any:
        """The service's typed config."""
        return self._provisions.settings

    @property
    def resources(self) -> Any:
        """What the service's lifespan yielded."""
        return self._provisions.resources

    def call(
        self,
        command: Command[I, O],
        payload: I,
        cause: Message,
        options: Sending,
        fallback: Fallback[O] | None,
        until: datetime | None,
    ) -> Awaitable[O]:
        """Call a declared command."""
        self._declared(command.address, self._calls, "calls")
        if until is not None and until <= self._outbound.now():
            answer = _over(command.address)
        else:
            answer = self._asked(command, payload, cause, options, until)
        return answer if fallback is None else _or_else(answer, fallback)

    def _asked(
        self, command: Command[I, O], payload: I, cause: Message, options: Sending, until: datetime | None
    ) -> Coroutine[Any, Any, O]:
        answer = self._outbound.call(command, payload, cause, options, until)
        return answer if self._circuits is None else self._circuits.protect(command.address, answer)

    def send(self, command: Command[I, Any], payload: I, cause: Message, options: Sending) -> Outgoing:
        """The message that sends a declared command."""
        self._declared(command.address, self._calls, "calls")
        self._can_keep(options)
        return self._outbound.send(command, payload, cause, options)

    def emit(self, event: Event[P], payload: P, cause: Message, options: Sending) -> Outgoing:
        """The message of a declared event."""
        self._declared(event.address, self._emits, "emits")
        self._can_keep(options)
        return self._outbound.emit(event, payload, cause, options)

    def log(self, message: Message) -> FilteringBoundLogger:
        """A logger that knows service, handler and correlation."""
        return self._provisions.log(message, self._address)

    def _can_keep(self, options: Sending) -> None:
        if options.delay is not None and self._provisions.shelf is None:
            raise ConfigurationError(
                f"{self._address}: delay= keeps a message in the service's state store, and it has none that keeps "
                "ETags; add such a component to the profile, or leave out delay="
            )

    def _declared(self, address: str, declared: frozenset[str], parameter: str) -> None:
        if address not in declared:
            raise UndeclaredError(
                f"{self._address} uses {address} without declaring it; add it to {parameter}=[...] of the handler"
            )
