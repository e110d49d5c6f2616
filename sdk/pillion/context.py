"""What a handler may reach: one ``Context`` per execution."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias

from msgspec import Struct
from typing_extensions import TypeVar

from pillion.errors import PillionError
from pillion.message import Message
from pillion.outcome import Outcome
from pillion.ports.bridge import Outgoing
from pillion.ports.store import StateStore

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


class Sending(Struct, frozen=True, gc=False):
    """How a message is to travel.

    Attributes:
        key: ordering key.
        timeout: seconds the caller waits for the answer.
        ttl: seconds after which the message is worth nothing.
        delay: seconds before which it must not leave.
        idempotency_key: names the request; repeated with the same name it is done once.
    """

    key: str | None = None
    timeout: float | None = None
    ttl: float | None = None
    delay: float | None = None
    idempotency_key: str | None = None


# What is answered in place of a command that did not: called with the error, ``async`` or not.
Fallback: TypeAlias = Callable[[PillionError], O | Awaitable[O]]

PLAIN = Sending()


class Once(Protocol):
    """One execution whose changes and messages leave together."""

    @property
    def store(self) -> StateStore:
        """Holds the changes back until then."""
        ...

    @property
    def committed(self) -> bool:
        """Whether they are written, whatever came after that."""
        ...


class Scope(Protocol):
    """What the runtime gives all executions of one handler."""

    @property
    def settings(self) -> Any:
        """The service's typed config."""

    @property
    def resources(self) -> Any:
        """What the service's lifespan yielded."""

    def call(
        self,
        command: Command[I, O],
        payload: I,
        cause: Message,
        options: Sending,
        fallback: Fallback[O] | None,
        until: datetime | None,
    ) -> Awaitable[O]:
        """Call a declared command; wait no longer than ``until``."""
        ...

    def send(self, command: Command[I, Any], payload: I, cause: Message, options: Sending) -> Outgoing:
        """The message that sends a declared command."""
        ...

    def emit(self, event: Event[P], payload: P, cause: Message, options: Sending) -> Outgoing:
        """The message of a declared event."""
        ...

    def state(self, message: Message, held: StateStore | None) -> State:
        """The service's state, as far as it goes through the store that holds changes back."""
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


class Context(Struct, Generic[S, R], eq=False):
    """All that a handler may reach. ``Context[PaymentsConfig, Pool]`` types ``settings`` and ``resources``.

    Attributes:
        message: the CloudEvent that is handled: id, correlation, causation, tenant, principal, deadline, attempt.
        until: its calls wait no longer: a little before its time is over, so that it can still do something about
            them. None: no limit.
    """

    _scope: Scope
    message: Message
    payload: Any = None
    held: list[Outgoing] | None = None
    once: Once | None = None
    # What the steps hand to those around them without the cost of returning it.
    outcome: Outcome | None = None
    until: datetime | None = None
    _log: FilteringBoundLogger | None = None

    def __repr__(self) -> str:
        # Not the payload: what logs a context must not tell secrets.
        return f"<context of {self.message.type} {self.message.id}>"

    def call(
        self,
        command: Command[I, O],
        payload: I,
        *,
        timeout: float | None = None,
        key: str | None = None,
        idempotency_key: str | None = None,
        fallback: Fallback[O] | None = None,
    ) -> Awaitable[O]:
        """Call a command and wait for its answer.

        Args:
            command: one of those in ``calls=``.
            payload: its request.
            timeout: seconds to wait; default the command's own, and never longer than the time left to this handler,
                less a twentieth (at most half a second) in which it can still act.
            key: the CloudEvents subject of the message. It orders nothing: calls are handled side by side.
            idempotency_key: names the request; a command that is handled with ``once=`` gives the first answer again.
                For any other it does nothing: such a command is done as often as it is asked for.
            fallback: gives the answer when there is none: not in time, not reachable, an internal error, or too many of
                these before (the service's ``breaker``). Called with the error; ``async`` or not.

        Raises:
            Failure: the command's declared failures; ``RemoteFailure`` for others; ``InvalidInput``;
                ``DeadlineExceeded`` when no answer came in time; ``InternalError`` when it broke.
            UndeclaredError: ``calls=`` does not name the command.
            BridgeError: the command could not be sent.
        """
        plain = key is None and timeout is None and idempotency_key is None
        options = PLAIN if plain else Sending(key, timeout, None, None, idempotency_key)
        return self._scope.call(command, payload, self.message, options, fallback, self.until)

    def send(
        self,
        command: Command[I, Any],
        payload: I,
        *,
        key: str | None = None,
        ttl: float | None = None,
        delay: float | None = None,
        idempotency_key: str | None = None,
    ) -> None:
        """Send a command without waiting for an answer; it leaves when this handler has succeeded.

        Args:
            command: one of those in ``calls=``.
            payload: its request.
            key: the CloudEvents subject of the message; brokers that partition by it, such as Kafka, keep such messages
                together. The receiver handles sends side by side: only events can be handled in order, ``on(key=...)``.
            ttl: seconds after which it is worth nothing and is not handled any more; default it stays.
            delay: seconds it is kept back in this service's state store; default none.
            idempotency_key: names the request; a command that is handled with ``once=`` is handled once for all that
                have its name. For any other it does nothing.

        Raises:
            UndeclaredError: ``calls=`` does not name the command.
            TypeError: the payload is not of the command's type.
            ValueError: ``ttl`` or ``delay`` is not above 0.
            ConfigurationError: ``delay`` is given, and the service has no state store that keeps ETags.
        """
        options = Sending(key, None, ttl, delay, idempotency_key)
        self._hold(self._scope.send(command, payload, self.message, options))

    def emit(
        self,
        event: Event[P],
        payload: P,
        *,
        key: str | None = None,
        ttl: float | None = None,
        delay: float | None = None,
    ) -> None:
        """Publish an event; it leaves when this handler has succeeded.

        Args:
            event: one of those in ``emits=``.
            payload: its data.
            key: ordering key; default what the event's own ``key=`` makes of the payload.
            ttl: seconds after which it is worth nothing and is not handled any more; default it stays.
            delay: seconds it is kept back in this service's state store; default none.

        Raises:
            UndeclaredError: ``emits=`` does not name the event.
            TypeError: the payload is not of the event's type.
            ValueError: ``ttl`` or ``delay`` is not above 0.
            ConfigurationError: ``delay`` is given, and the service has no state store that keeps ETags.
        """
        plain = key is None and ttl is None and delay is None
        options = PLAIN if plain else Sending(key, None, ttl, delay)
        self._hold(self._scope.emit(event, payload, self.message, options))

    @property
    def state(self) -> State:
        """The service's own state; ``state.tenant()`` is that of the message's tenant.

        In a handler with ``once=`` changes are held and written together when it has succeeded.
        """
        return self._scope.state(self.message, self.once.store if self.once is not None else None)

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
