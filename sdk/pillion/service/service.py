"""A service: a contract and the handlers that fulfil it. Importing one builds values and does nothing else."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from datetime import timedelta
from typing import Any, Generic, Unpack, overload

from pydantic import BaseModel
from typing_extensions import TypeVar

from pillion.context import Context
from pillion.errors import DeclarationError, Failure
from pillion.outcome import Retry
from pillion.resilience.breaker import Breaker
from pillion.resilience.pause import Pause
from pillion.service.build import DEFAULT_CONCURRENCY, Options, command_handler, subscription
from pillion.service.command import Command
from pillion.service.contract import Contract
from pillion.service.decorators import Declares, Handles
from pillion.service.event import Event
from pillion.service.expose import Expose
from pillion.service.filter import Filter
from pillion.service.guard import Check, Guard
from pillion.service.keywords import Declaring, Handling, Key, Reacting
from pillion.service.setup import Lifespan
from pillion.service.signature import Unannotated, place, read
from pillion.service.subscription import CommandHandler, Subscription

I = TypeVar("I")  # noqa: E741 - input
O = TypeVar("O")  # noqa: E741 - output
J = TypeVar("J")
Q = TypeVar("Q")
P = TypeVar("P")
S = TypeVar("S", default=Any)
R = TypeVar("R", default=Any)


class Service(Generic[S, R]):
    """A contract plus the handlers, config and resources that fulfil it.

    Args:
        contract: the contract, or the name of a new one in version 1.
        version: of the new contract.
        config: pydantic model of the service's settings; read at start from the environment (``PAYMENTS_…``) and from
            the config file.
        resources: an async context manager factory; what it yields is ``ctx.resources``. Entered at start, left at
            stop.
        state: state component; default ``<name>-state``.
        breaker: stops calling a command that fails again and again for a while; None calls always.
        description: for documents, when ``contract`` is a name.

    Raises:
        DeclarationError: the name is not valid, or a version is given with a contract.
    """

    def __init__(
        self,
        contract: Contract | str,
        *,
        config: type[S] | None = None,
        resources: Lifespan[S, R] | None = None,
        version: int = 1,
        state: str = "",
        breaker: Breaker | None = None,
        description: str = "",
    ) -> None:
        if isinstance(contract, str):
            contract = Contract(contract, version, description=description)
        elif version not in (1, contract.version):
            raise DeclarationError(f"{contract.group}: version={version} contradicts its contract; leave it out")
        if config is not None and not (isinstance(config, type) and issubclass(config, BaseModel)):
            raise DeclarationError(f"{contract.group}: config={config!r} must be a pydantic model class")
        self.contract = contract
        self.config = config
        self.resources = resources
        self.breaker = breaker
        self.state_component = state or f"{contract.name}-state"
        self.handlers: dict[str, CommandHandler] = {}
        self.subscriptions: dict[str, Subscription] = {}

    @property
    def name(self) -> str:
        """``payments``."""
        return self.contract.name

    @property
    def group(self) -> str:
        """``payments.v1``."""
        return self.contract.group

    @overload
    def command(self, function: Callable[[Context[S, R], I], Coroutine[Any, Any, O]], /) -> Command[I, O]: ...
    @overload
    def command(self, function: Callable[[Context[S, R]], Coroutine[Any, Any, O]], /) -> Command[None, O]: ...
    @overload
    def command(  # type: ignore[overload-overlap]
        self, function: Callable[[I], Coroutine[Any, Any, O]], /
    ) -> Command[I, O]: ...
    @overload
    def command(self, function: Callable[[], Coroutine[Any, Any, O]], /) -> Command[None, O]: ...
    @overload
    def command(self, function: Callable[[Context[S, R], I], O], /) -> Command[I, O]: ...
    @overload
    def command(self, function: Callable[[Context[S, R]], O], /) -> Command[None, O]: ...
    @overload
    def command(self, function: Callable[[I], O], /) -> Command[I, O]: ...
    @overload
    def command(self, function: Callable[[], O], /) -> Command[None, O]: ...
    @overload
    def command(self, **options: Unpack[Declaring]) -> Declares[S, R]: ...

    def command(  # type: ignore[misc]
        self,
        function: Callable[..., Any] | None = None,
        /,
        *,
        name: str = "",
        calls: Iterable[Command[Any, Any]] = (),
        emits: Iterable[Event[Any]] = (),
        guards: Iterable[Guard | Check] = (),
        raises: Iterable[type[Failure]] = (),
        timeout: float = 30.0,
        concurrency: int = DEFAULT_CONCURRENCY,
        retry: Retry | Sequence[Retry] = (),
        once: bool | timedelta = False,
        emits_result: Event[Any] | None = None,
        announced: bool = False,
        expose: Expose | None = None,
        description: str = "",
        examples: Iterable[Any] = (),
        deprecated: str = "",
    ) -> Any:
        """Offer a command and handle it with the decorated function, whose annotations are its types.

        Args are those of ``Contract.command`` and of ``handles``.

        Raises:
            DeclarationError: the function has no annotations, or the name is taken or not valid.
        """

        def declare(function: Callable[..., Any]) -> Command[Any, Any]:
            signature = read(function)
            if Unannotated in (signature.payload, signature.result):
                raise DeclarationError(
                    f"{place(function)}: annotate the payload and the result; they are the command's types"
                )
            declared = self.contract.command(
                name or function.__name__, signature.payload, signature.result, raises=raises, timeout=timeout,
                emits_result=emits_result, announced=announced, expose=expose, examples=examples,
                description=description or (function.__doc__ or "").strip(), deprecated=deprecated,
            )  # fmt: skip
            self.handles(
                declared, calls=calls, emits=emits, guards=guards, concurrency=concurrency, retry=retry, once=once
            )(function)
            return declared

        return declare if function is None else declare(function)

    @overload
    def handles(self, command: Command[I, O], **options: Unpack[Handling]) -> Handles[I, O, S, R]: ...
    @overload
    def handles(
        self,
        command: Command[I, O],
        *,
        transform_in: Callable[[I], J],
        transform_out: Callable[[Q], O],
        **options: Unpack[Handling],
    ) -> Handles[J, Q, S, R]: ...
    @overload
    def handles(
        self, command: Command[I, O], *, transform_in: Callable[[I], J], **options: Unpack[Handling]
    ) -> Handles[J, O, S, R]: ...
    @overload
    def handles(
        self, command: Command[I, O], *, transform_out: Callable[[Q], O], **options: Unpack[Handling]
    ) -> Handles[I, Q, S, R]: ...

    def handles(
        self,
        command: Command[Any, Any],
        *,
        calls: Iterable[Command[Any, Any]] = (),
        emits: Iterable[Event[Any]] = (),
        guards: Iterable[Guard | Check] = (),
        timeout: float | None = None,
        concurrency: int = DEFAULT_CONCURRENCY,
        retry: Retry | Sequence[Retry] = (),
        once: bool | timedelta = False,
        transform_in: Callable[..., Any] | None = None,
        transform_out: Callable[..., Any] | None = None,
    ) -> Any:
        """Handle a command of this service's contract with the decorated function.

        Args:
            command: the contract's command.
            calls: commands the handler may call or send; others are refused.
            emits: events it may emit; others are refused.
            guards: checks before and after it, in this order.
            timeout: seconds the handler may take; default the command's.
            concurrency: how many run at once, at most, in one process: called, sent, and parked ones together. Without
                it 100 of each.
            retry: how often and how fast a sent command is tried again, one policy or several for different
                exceptions; a called one is its caller's to repeat. Default ``Retry()``: 5 attempts.
            once: what the handler does to ``ctx.state`` and what it sends and emits happens together, and once for
                each idempotency key (without one, each message); a repeated command gets the first answer again. Kept
                for a day, or for the given time, a minute or more. The state store must have ETags and transactions.
            transform_in: makes what the handler takes of the request on the wire; its annotations are the schemas.
            transform_out: makes the answer on the wire of what the handler gives.

        Raises:
            DeclarationError: the command is another service's or is handled already, or the function's annotations
                do not match.
        """
        options = Options(calls, emits, guards, timeout, concurrency, retry, once, transform_in, transform_out)

        def handle(function: Callable[..., Any]) -> Callable[..., Any]:
            if self.contract.commands.get(command.name) is not command:
                raise DeclarationError(f"{place(function)}: {command.address} is no command of {self.group}")
            if command.name in self.handlers:
                first = place(self.handlers[command.name].function)
                raise DeclarationError(f"{place(function)}: {command.address} is handled already, by {first}")
            self.handlers[command.name] = command_handler(command, function, options)
            return function

        return handle

    @overload
    def on(self, event: Event[P], *, key: Key[P] = ..., **options: Unpack[Reacting]) -> Handles[P, None, S, R]: ...
    @overload
    def on(
        self, event: Event[P], *, key: Key[P] = ..., transform_in: Callable[[P], J], **options: Unpack[Reacting]
    ) -> Handles[J, None, S, R]: ...

    def on(
        self,
        event: Event[Any],
        *,
        name: str = "",
        where: Filter | None = None,
        calls: Iterable[Command[Any, Any]] = (),
        emits: Iterable[Event[Any]] = (),
        guards: Iterable[Guard | Check] = (),
        retry: Retry | Sequence[Retry] = (),
        dead_letter: bool = True,
        broadcast: bool = False,
        timeout: float | None = 30.0,
        concurrency: int = DEFAULT_CONCURRENCY,
        slow: bool = False,
        once: bool | timedelta = False,
        key: Key[Any] = None,
        pause: Pause | None = None,
        transform_in: Callable[..., Any] | None = None,
    ) -> Any:
        """React to an event with the decorated function.

        Args:
            event: of any contract, a command's ``succeeded`` or ``failed``, or a ``foreign_event``.
            name: of the subscription, unique in the service; default the function's name.
            where: only events whose attributes match, see ``exact``, ``prefix``, ``suffix`` and ``matching``. Dapr may
                check all but ``matching``, and then rounds integers in the payload beyond 2^53.
            calls, emits, guards, concurrency, transform_in: as for ``handles``.
            retry: how often and how fast a failing handler is tried again, one policy or several for different
                exceptions. Default ``Retry()``: 5 attempts.
            dead_letter: set aside what cannot be handled (default); False logs and drops it.
            broadcast: every instance gets each event, instead of one instance of the service.
            timeout: seconds one attempt may take. Default 30; None is unlimited.
            slow: takes long by nature; gets a subscription of its own and holds up nobody else.
            once: what the handler does to ``ctx.state`` and what it sends and emits happens together, and once for
                each event (by source and id). Events are remembered for a day, or for the given time, a minute or more.
                The state store must have ETags and transactions.
            key: handle events of one key one after another, in their order: ``"subject"`` for what ``key=`` of the
                event or of ``emit`` said, or a function of the payload. The profile's broker must keep that order.
            pause: stop taking events for a while when every one of them fails, instead of setting them all aside.

        Raises:
            DeclarationError: the name is taken, or the function's annotations do not match the event.
        """
        options = Options(calls, emits, guards, timeout, concurrency, retry, once, transform_in, None)

        def react(function: Callable[..., Any]) -> Callable[..., Any]:
            chosen = name or function.__name__
            if chosen in self.subscriptions or chosen in self.contract.commands:
                raise DeclarationError(f'{place(function)}: {self.group} has a handler "{chosen}" already; give name=')
            self.subscriptions[chosen] = subscription(
                event, function, options, f"{self.group}.{chosen}", where=where, key=key, pause=pause,
                dead_letter=dead_letter, broadcast=broadcast, slow=slow,
            )  # fmt: skip
            return function

        return react

    def __repr__(self) -> str:
        return f"<service {self.group}>"
