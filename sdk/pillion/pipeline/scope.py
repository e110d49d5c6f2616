"""What one handler may reach; checks that it calls and emits only what it declares."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pillion.errors import UndeclaredError
from pillion.message import Message
from pillion.pipeline.outbound import Outbound
from pillion.ports.bridge import Outgoing
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

    def state(self, message: Message) -> State: ...

    def secrets(self) -> Secrets: ...

    def config(self) -> Configuration: ...

    def log(self, message: Message, address: str) -> FilteringBoundLogger: ...


class HandlerScope:
    """The ``Scope`` of one handler."""

    def __init__(self, handler: Handler, provisions: Provisions, outbound: Outbound) -> None:
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
        self, command: Command[I, O], payload: I, cause: Message, timeout: float | None, key: str | None
    ) -> Awaitable[O]:
        """Call a declared command."""
        self._declared(command.address, self._calls, "calls")
        return self._outbound.call(command, payload, cause, timeout, key)

    def send(self, command: Command[I, Any], payload: I, cause: Message, key: str | None) -> Outgoing:
        """The message that sends a declared command."""
        self._declared(command.address, self._calls, "calls")
        return self._outbound.send(command, payload, cause, key)

    def emit(self, event: Event[P], payload: P, cause: Message, key: str | None) -> Outgoing:
        """The message of a declared event."""
        self._declared(event.address, self._emits, "emits")
        return self._outbound.emit(event, payload, cause, key)

    def log(self, message: Message) -> FilteringBoundLogger:
        """A logger that knows service, handler and correlation."""
        return self._provisions.log(message, self._address)

    def _declared(self, address: str, declared: frozenset[str], parameter: str) -> None:
        if address not in declared:
            raise UndeclaredError(
                f"{self._address} uses {address} without declaring it; add it to {parameter}=[...] of the handler"
            )
