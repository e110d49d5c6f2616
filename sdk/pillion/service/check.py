"""Whether services fit together, seen before anything runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from pillion.errors import DeclarationError
from pillion.service.catalog import examples, handlers
from pillion.service.command import Command
from pillion.service.contract import Contract
from pillion.service.event import Event
from pillion.service.service import Service
from pillion.service.subscription import Handler, Subscription


def check(services: Sequence[Service[Any, Any]]) -> list[str]:
    """See that these services can run in one process.

    Returns:
        Warnings, one sentence each: what may be right, but often is not.

    Raises:
        DeclarationError: a service twice, a command without a handler, or a topic that is taken raw and not raw.
    """
    for group, times in Counter(service.group for service in services).items():
        if times > 1:
            raise DeclarationError(f"{group} is given {times} times; versions must differ")
    for service in services:
        _complete(service)
        _compile(service)
    _refuse_mixed(services)
    return [*_undeclared_events(services), *_deprecated(services)]


def _complete(service: Service[Any, Any]) -> None:
    missing = sorted(set(service.contract.commands) - set(service.handlers))
    if missing:
        raise DeclarationError(
            f"{service.group}: no handler for {', '.join(missing)}; add @service.handles(...) for each, "
            "and see that the module with the handlers is imported"
        )


def _compile(service: Service[Any, Any]) -> None:
    """Make every validator now, so that a type pydantic cannot handle fails at start and names its place."""
    for command in service.contract.commands.values():
        _ = (command.input, command.output)
        examples(command.address, command.input, command.examples)
    for event in service.contract.events.values():
        examples(event.address, event.payload, event.examples)
    for handler in handlers(service):
        for called in handler.calls:
            _ = (called.input, called.output)
        for event in handler.emits:
            _ = event.payload


def _refuse_mixed(services: Sequence[Service[Any, Any]]) -> None:
    """Refuse a topic that is taken raw and as CloudEvents: a sidecar brings it once, so one of them gets nothing."""
    found: dict[Any, Subscription] = {}
    for subscription in _subscriptions(services):
        event, broadcast = subscription.event, subscription.broadcast
        # Broadcasts, and slow handlers beside others, have subscriptions of their own.
        source = (event.component, event.topic, broadcast, subscription.slow and not broadcast)
        other = found.setdefault(source, subscription)
        if other.event.raw is not event.raw:
            raw, parsed = (subscription, other) if event.raw else (other, subscription)
            raise DeclarationError(
                f"{raw.address} takes what comes on topic {event.topic} raw, {parsed.address} takes it as CloudEvents, "
                "and a process can have it in one way only; declare both events with raw=True or both without, or run "
                "one of the two in another process"
            )


def _undeclared_events(services: Sequence[Service[Any, Any]]) -> Iterable[str]:
    """Subscriptions to events that the contract in this process does not have, or that the command does not publish."""
    contracts = {service.group: service.contract for service in services}
    for subscription in _subscriptions(services):
        event = subscription.event
        if not _declares(contracts.get(_group_of(event)), event):
            yield (
                f"{subscription.address} waits for {event.address}, which {_group_of(event)} does not declare; "
                "add contract.event(...), or announced=True to the command"
            )


def _declares(contract: Contract | None, event: Event[Any]) -> bool:
    if contract is None:
        return event.announced
    outcomes = [one for command in contract.commands.values() for one in (command.succeeded, command.failed)]
    # By address, as others may have a copy of the contract.
    return any(event.address == one.address and one.announced for one in (*contract.events.values(), *outcomes))


def _group_of(used: Command[Any, Any] | Event[Any]) -> str:
    return ".".join(used.address.split(".")[:2])


def _deprecated(services: Sequence[Service[Any, Any]]) -> Iterable[str]:
    for service in services:
        for handler in handlers(service):
            for used in _used(handler):
                # That its whole contract is deprecated is no news to the service itself.
                known = service.contract.deprecated if _group_of(used) == service.group else ""
                if used.deprecated and used.deprecated != known:
                    yield f"{handler.address} uses {used.address}, which is deprecated: {used.deprecated}"


def _used(handler: Handler) -> Iterable[Command[Any, Any] | Event[Any]]:
    yield from handler.calls
    yield from handler.emits
    if isinstance(handler, Subscription):
        yield handler.event


def _subscriptions(services: Sequence[Service[Any, Any]]) -> Iterable[Subscription]:
    return (subscription for service in services for subscription in service.subscriptions.values())
