"""What a handler may reach: one ``Context`` per execution."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Generic, Protocol

from typing_extensions import TypeVar

from pillion.message import Message
from pillion.ports.bridge import Outgoing

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from pillion.configuration import Configuration
    from pillion.secrets import Secrets
    from pillion.service.command import Command
    from pillion.service.event import Event
    from pillion.state import State

I = TypeVar("I")  # noqa: E741 - input
O = TypeVar("O")  # noqa: E741 - output
P = TypeVar("P")
S = TypeVar("S", default=Any)
R = TypeVar("R", default=Any)


class Scope(Protocol):
    """What the runtime gives all executions of one handler."""

    @property
    def settings(self) -> Any:
        """The service's typed config."""

    @property
    def resources(self) -> Any:
        """What the service's lifespan yielded."""

    def call(
        self, command: Command[I, O], payload: I, cause: Message, timeout: float | None, key: str | None
    ) -> Awaitable[O]:
        """Call a declared command."""
        ...

    def send(self, command: Command[I, Any], payload: I, cause: Message, key: str | None) -> Outgoing:
        """The message that sends a declared command."""
        ...

    def emit(self, event: Event[P], payload: P, cause: Message, key: str | None) -> Outgoing:
        """The message of a declared event."""
        ...

    def state(self, message: Message) -> State:
        """The service's state."""
        ...

    def secrets(self) -> Secrets:
        """The secret store."""
        ...

    def config(self) -> Configuration:
        """The configuration store."""
        ...

    def log(self, message: Message) -> FilteringBoundLogger:
        """A logger that knows service, handler and correlation."""
        ...


class Context(Generic[S, R]):
    """All that a handler may reach. ``Context[PaymentsConfig, Pool]`` types ``settings`` and ``resources``.

    Attributes:
        message: the CloudEvent that is handled: id, correlation, causation, tenant, principal, deadline, attempt.
    """

    __slots__ = ("_log", "_scope", "held", "message", "payload")

    def __init__(self, scope: Scope, message: Message) -> None:
        self._scope = scope
        self.message = message
        self.payload: Any = None
        self.held: list[Outgoing] | None = None
        self._log: FilteringBoundLogger | None = None

    def call(
        self, command: Command[I, O], payload: I, *, timeout: float | None = None, key: str | None = None
    ) -> Awaitable[O]:
        """Call a command and wait for its answer.

        Args:
            command: one of those in ``calls=``.
            payload: its request.
            timeout: seconds to wait; default the command's own, and never longer than the time left to this handler.
            key: ordering key of the message.

        Raises:
            Failure: the command's declared failures; ``RemoteFailure`` for others; ``InvalidInput``;
                ``DeadlineExceeded`` when no answer came in time; ``InternalError`` when it broke.
            UndeclaredError: ``calls=`` does not name the command.
            BridgeError: the command could not be sent.
        """
        return self._scope.call(command, payload, self.message, timeout, key)

    def send(self, command: Command[I, Any], payload: I, *, key: str | None = None) -> None:
        """Send a command without waiting for an answer; it leaves when this handler has succeeded.

        Raises:
            UndeclaredError: ``calls=`` does not name the command.
            TypeError: the payload is not of the command's type.
        """
        self._hold(self._scope.send(command, payload, self.message, key))

    def emit(self, event: Event[P], payload: P, *, key: str | None = None) -> None:
        """Publish an event; it leaves when this handler has succeeded.

        Raises:
            UndeclaredError: ``emits=`` does not name the event.
            TypeError: the payload is not of the event's type.
        """
        self._hold(self._scope.emit(event, payload, self.message, key))

    @property
    def state(self) -> State:
        """The service's own state; ``state.tenant()`` is that of the message's tenant."""
        return self._scope.state(self.message)

    @property
    def secrets(self) -> Secrets:
        """The secret store."""
        return self._scope.secrets()

    @property
    def config(self) -> Configuration:
        """The configuration store: values that change while the service runs."""
        return self._scope.config()

    @property
    def settings(self) -> S:
        """The service's typed config, read at start."""
        return self._scope.settings  # type: ignore[no-any-return]

    @property
    def resources(self) -> R:
        """What the service's ``resources`` lifespan yielded."""
        return self._scope.resources  # type: ignore[no-any-return]

    @property
    def log(self) -> FilteringBoundLogger:
        """A structured logger bound to service, handler, correlation and trace."""
        if self._log is None:
            self._log = self._scope.log(self.message)
        return self._log

    def _hold(self, outgoing: Outgoing) -> None:
        if self.held is None:
            self.held = []
        self.held.append(outgoing)
