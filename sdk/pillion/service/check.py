"""Whether services fit together, seen before anything runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from pillion.errors import DeclarationError
from pillion.service.catalog import examples, handlers
from pillion.service.command import Command
from pillion.service.event import Event
from pillion.service.service import Service


def check(services: Sequence[Service[Any, Any]]) -> list[str]:
    """See that these services can run in one process.

    Returns:
        Warnings, one sentence each: what may be right, but often is not.

    Raises:
        DeclarationError: a service twice, or a command without a handler.
    """
    for group, times in Counter(service.group for service in services).items():
        if times > 1:
            raise DeclarationError(f"{group} is given {times} times; versions must differ")
    for service in services:
        _complete(service)
        _compile(service)
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


def _undeclared_events(services: Sequence[Service[Any, Any]]) -> Iterable[str]:
    """Subscriptions to events of a contract in this process that the contract does not have, or never publishes."""
    contracts = {service.group: service.contract for service in services}
    for service in services:
        for subscription in service.subscriptions.values():
            contract = contracts.get(_group_of(subscription.event))
            if contract is not None and not _declares(contract, subscription.event):
                yield (
                    f"{subscription.address} waits for {subscription.event.address}, which {contract.group} does not "
                    "declare; add contract.event(...), or announced=True to the command"
                )


def _declares(contract: Any, event: Event[Any]) -> bool:
    if event in contract.events.values():
        return True
    command, _, outcome = event.address.removeprefix(f"{contract.group}.").partition(".")
    found = contract.commands.get(command)
    return found is not None and found.announced and outcome in ("succeeded", "failed")


def _group_of(event: Event[Any]) -> str:
    return ".".join(event.address.split(".")[:2])


def _deprecated(services: Sequence[Service[Any, Any]]) -> Iterable[str]:
    for service in services:
        for handler in handlers(service):
            used_parts: list[Command[Any, Any] | Event[Any]] = [*handler.calls, *handler.emits]
            for used in used_parts:
                if used.deprecated:
                    yield f"{handler.address} uses {used.address}, which is deprecated: {used.deprecated}"
