"""Makes handlers of declarations: reads signatures, compares them with the contract, compiles payloads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pillion.codec.payload import Payload
from pillion.errors import DeclarationError
from pillion.outcome import Retry
from pillion.resilience.pause import Pause
from pillion.service.command import Command
from pillion.service.event import COMPONENT, Event
from pillion.service.filter import Filter
from pillion.service.guard import Check, Guard, as_guard
from pillion.service.keywords import Key
from pillion.service.signature import Signature, Unannotated, place, read
from pillion.service.subscription import CommandHandler, Subscription

DEFAULT_CONCURRENCY = 100
# How long messages that were handled once are remembered.
DEFAULT_WINDOW = timedelta(days=1)
# A store forgets by the second, and a message may be on its way for some.
_SHORTEST_WINDOW = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Options:
    """What ``handles`` and ``on`` have in common."""

    calls: Iterable[Command[Any, Any]]
    emits: Iterable[Event[Any]]
    guards: Iterable[Guard | Check]
    timeout: float | None
    concurrency: int
    retry: Retry | Sequence[Retry]
    once: bool | timedelta
    transform_in: Callable[..., Any] | None
    transform_out: Callable[..., Any] | None


def command_handler(command: Command[Any, Any], function: Callable[..., Any], options: Options) -> CommandHandler:
    """The handler of a command.

    Raises:
        DeclarationError: the function does not fit the command.
    """
    fields = _common(function, command.address, command.input, options)
    output = _handler_output(function, command, options.transform_out)
    return CommandHandler(
        **{**fields, "handler_output": output, "timeout": options.timeout or command.timeout}, command=command
    )


def subscription(
    event: Event[Any],
    function: Callable[..., Any],
    options: Options,
    address: str,
    *,
    where: Filter | None,
    key: Key[Any],
    pause: Pause | None,
    dead_letter: bool,
    broadcast: bool,
    slow: bool,
) -> Subscription:
    """The handler of an event.

    Raises:
        DeclarationError: the function does not fit the event.
    """
    if not isinstance(event, Event):
        hint = ", .succeeded or .failed of a command that is announced=True" if isinstance(event, Command) else ""
        raise DeclarationError(f"{place(function)}: on({event!r}) is no event; give an event of a contract{hint}")
    fields = _common(function, address, event.payload, options)
    if fields["signature"].result not in (Unannotated, None, type(None)):
        raise DeclarationError(f"{place(function)}: a subscription answers nothing; annotate it -> None")
    _refuse_impossible(event, function, fields["once"], broadcast=broadcast, slow=slow)
    if key not in (None, "subject") and not callable(key):
        raise DeclarationError(
            f'{place(function)}: key={key!r} is no ordering key; give "subject", which holds what key= of the event or '
            "of emit said, or a function of the payload"
        )
    if key is not None and broadcast:
        raise DeclarationError(f"{place(function)}: broadcast=True has no order; leave key= out")
    if fields["once"] is not None and broadcast:
        raise DeclarationError(
            f"{place(function)}: once= is once for all instances, broadcast=True is for each; leave one of them out"
        )
    return Subscription(
        **fields, event=event, where=where, key=key, pause=pause,
        dead_letter=dead_letter, broadcast=broadcast, slow=slow,
    )  # fmt: skip


def _refuse_impossible(
    event: Event[Any], function: Callable[..., Any], once: float | None, *, broadcast: bool, slow: bool
) -> None:
    """Refuse what would silently do nothing for an event of this kind."""
    if event.raw and once is not None:
        raise DeclarationError(
            f"{place(function)}: once= knows a message by its id, and a raw payload has none, so one that comes again "
            f"could not be told from a new one; let who publishes {event.topic!r} send CloudEvents, or leave once= out"
        )
    if event.component != COMPONENT and (broadcast or slow):
        option = "broadcast" if broadcast else "slow"
        raise DeclarationError(
            f"{place(function)}: {option}=True has no effect on the component {event.component!r}: who shares its "
            f"messages is said in its YAML (consumerID); leave {option}= out, and where the event is declared name a "
            "component with a consumer group of its own"
        )


def _common(function: Callable[..., Any], address: str, wire: Payload[Any], options: Options) -> dict[str, Any]:
    signature = read(function)
    if options.concurrency < 1:
        raise DeclarationError(f"{place(function)}: concurrency must be at least 1")
    if options.timeout is not None and options.timeout <= 0:
        raise DeclarationError(f"{place(function)}: timeout {options.timeout} must be more than 0 seconds")
    guards = tuple(as_guard(check) for check in options.guards)
    if len({guard.name for guard in guards}) != len(guards):
        raise DeclarationError(f"{place(function)}: two guards have the same name; give name= to @guard")
    return {
        "address": address,
        "function": function,
        "signature": signature,
        "input": wire,
        "calls": tuple(_commands(options.calls, function)),
        "emits": tuple(_events(options.emits, function)),
        "guards": guards,
        "transform_in": options.transform_in,
        "handler_input": _handler_input(function, signature, wire, options.transform_in),
        "transform_out": options.transform_out,
        "handler_output": None,
        "timeout": options.timeout,
        "concurrency": options.concurrency,
        "retries": _retries(function, options.retry),
        "once": _window(function, options.once),
    }


def _retries(function: Callable[..., Any], retry: Any) -> tuple[Retry, ...]:
    policies = tuple(retry) if isinstance(retry, list | tuple) else (retry,)
    if not all(isinstance(policy, Retry) for policy in policies):
        raise DeclarationError(f"{place(function)}: retry={retry!r} is no policy; write retry=Retry(attempts=3)")
    return policies


def _window(function: Callable[..., Any], once: Any) -> float | None:
    window = (DEFAULT_WINDOW if once else None) if isinstance(once, bool) else once
    if window is None:
        return None
    if not isinstance(window, timedelta) or window < _SHORTEST_WINDOW:
        raise DeclarationError(
            f"{place(function)}: once={once!r}: messages are remembered for a minute at least; write once=True for a "
            "day, or once=timedelta(minutes=1) or more"
        )
    return window.total_seconds()


def _handler_input(
    function: Callable[..., Any], signature: Signature, wire: Payload[Any], transform: Callable[..., Any] | None
) -> Payload[Any] | None:
    if transform is None:
        _match(function, "takes", signature.payload if signature.takes_payload else Unannotated, wire.type)
        return None
    step = read(transform)
    _match(transform, "takes", step.payload, wire.type)
    made = signature.payload if step.result is Unannotated else step.result
    _match(function, "takes", signature.payload, made)
    return Payload(made, place(transform))


def _handler_output(
    function: Callable[..., Any], command: Command[Any, Any], transform: Callable[..., Any] | None
) -> Payload[Any] | None:
    signature = read(function)
    if transform is None:
        _match(function, "answers", signature.result, command.output_type)
        return None
    step = read(transform)
    _match(transform, "answers", step.result, command.output_type)
    given = signature.result if step.payload is Unannotated else step.payload
    _match(function, "answers", signature.result, given)
    return Payload(given, place(transform))


def _match(function: Callable[..., Any], verb: str, found: Any, wanted: Any) -> None:
    if found is Unannotated or _plain(found) == _plain(wanted):
        return
    raise DeclarationError(f"{place(function)}: it {verb} {_plain(found)!r}, but its contract says {_plain(wanted)!r}")


def _plain(hint: Any) -> Any:
    return type(None) if hint is None else hint


def _commands(found: Iterable[Any], function: Callable[..., Any]) -> Iterable[Command[Any, Any]]:
    if isinstance(found, Command):
        raise DeclarationError(f"{place(function)}: calls= is a list; write calls=[...]")
    for command in found:
        if not isinstance(command, Command):
            raise DeclarationError(f"{place(function)}: calls= holds {command!r}, which is no command")
        yield command


def _events(found: Iterable[Any], function: Callable[..., Any]) -> Iterable[Event[Any]]:
    if isinstance(found, Event):
        raise DeclarationError(f"{place(function)}: emits= is a list; write emits=[...]")
    for event in found:
        if not isinstance(event, Event):
            raise DeclarationError(f"{place(function)}: emits= holds {event!r}, which is no event")
        yield event
