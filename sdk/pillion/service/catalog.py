"""What services offer and use, as plain data: the one model that documents, generators and gateways read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from itertools import chain
from typing import Any

from pydantic import TypeAdapter, ValidationError

from pillion.codec.payload import Payload
from pillion.errors import DeclarationError, Failure, field_errors
from pillion.outcome import Retry
from pillion.service.command import Command
from pillion.service.contract import Contract
from pillion.service.entries import (
    Catalog,
    CommandEntry,
    EventEntry,
    ExposeEntry,
    FailureEntry,
    HandlerEntry,
    Link,
    RetryEntry,
    ServiceEntry,
    SubscriptionEntry,
    TypeEntry,
)
from pillion.service.event import Event
from pillion.service.service import Service
from pillion.service.subscription import CommandHandler, Handler, Subscription


def catalog(declared: Sequence[Service[Any, Any] | Contract]) -> Catalog:
    """What these services, or contracts without handlers, offer and use.

    Raises:
        DeclarationError: pydantic cannot make a schema of a type; the text names the place.
    """
    services = tuple(_service(one) for one in declared)
    known = {address for service in services for address in _addresses(service)}
    return Catalog(services, tuple(chain.from_iterable(_links(service, known) for service in services)))


def handlers(service: Service[Any, Any]) -> Iterable[Handler]:
    """All handlers of a service."""
    yield from service.handlers.values()
    yield from service.subscriptions.values()


def published(service: Service[Any, Any]) -> Iterable[tuple[str, Event[Any]]]:
    """The events that a service says it publishes, each with the address of what publishes it."""
    for command in service.contract.commands.values():
        if command.emits_result is not None:
            yield command.address, command.emits_result
    yield from ((handler.address, event) for handler in handlers(service) for event in handler.emits)


def examples(address: str, payload: Payload[Any], given: Sequence[Any]) -> tuple[Any, ...]:
    """Examples of a payload as JSON values.

    Raises:
        DeclarationError: one does not fit; the text names the place.
    """
    if not given:
        return ()
    dump = TypeAdapter(payload.type).dump_python
    try:
        return tuple(dump(payload.check(example), mode="json", by_alias=True) for example in given)
    except ValidationError as error:
        found = "; ".join(f"{one['field'] or 'value'}: {one['message']}" for one in field_errors(error.errors()))
        raise DeclarationError(f"{address}: an example does not fit its type: {found}") from None


def _service(declared: Service[Any, Any] | Contract) -> ServiceEntry:
    service = declared if isinstance(declared, Service) else None
    contract = declared.contract if isinstance(declared, Service) else declared
    handled = service.handlers if service else {}
    return ServiceEntry(
        group=contract.group,
        name=contract.name,
        version=contract.version,
        description=contract.description,
        deprecated=contract.deprecated,
        config=service.config.model_json_schema() if service and service.config else None,
        state=service.state_component if service else None,
        commands=tuple(_command(command, handled.get(name)) for name, command in contract.commands.items()),
        events=tuple(_event(name, event) for name, event in contract.events.items()),
        subscriptions=tuple(_subscription(*item) for item in service.subscriptions.items()) if service else (),
    )


def _command(command: Command[Any, Any], handler: CommandHandler | None) -> CommandEntry:
    return CommandEntry(
        address=command.address,
        name=command.name,
        description=command.description,
        deprecated=command.deprecated,
        input=_type(command.input),
        output=_type(command.output, output=True),
        failures=tuple(_failure(failure) for failure in command.raises),
        timeout=command.timeout,
        emits_result=command.emits_result.address if command.emits_result else None,
        announced=command.announced,
        expose=_expose(command),
        examples=examples(command.address, command.input, command.examples),
        handler=_handler(handler) if handler else None,
    )


def _event(name: str, event: Event[Any]) -> EventEntry:
    return EventEntry(
        address=event.address,
        name=name,
        description=event.description,
        deprecated=event.deprecated,
        topic=event.topic,
        component=event.component,
        payload=_type(event.payload),
        examples=examples(event.address, event.payload, event.examples),
    )


def _subscription(name: str, subscription: Subscription) -> SubscriptionEntry:
    event = subscription.event
    return SubscriptionEntry(
        address=subscription.address,
        name=name,
        event=event.address,
        topic=event.topic,
        component=event.component,
        payload=_type(event.payload),
        raw=event.raw,
        filtered=subscription.where is not None,
        rule=subscription.where.rule() if subscription.where is not None else None,
        dead_letter=subscription.dead_letter,
        broadcast=subscription.broadcast,
        slow=subscription.slow,
        ordered=subscription.key is not None,
        handler=_handler(subscription),
    )


def _handler(handler: Handler) -> HandlerEntry:
    return HandlerEntry(
        calls=tuple(command.address for command in handler.calls),
        emits=tuple(event.address for event in handler.emits),
        guards=tuple(guard.name for guard in handler.guards),
        timeout=handler.timeout,
        concurrency=handler.concurrency,
        retries=tuple(_retry(policy) for policy in handler.retries or (Retry(),)),
        once=handler.once,
    )


def _retry(policy: Retry) -> RetryEntry:
    on = tuple(class_.__name__ for class_ in policy.on)
    return RetryEntry(on, policy.attempts, (policy.backoff.first, policy.backoff.last))


def _failure(failure: type[Failure]) -> FailureEntry:
    return FailureEntry(failure.code, failure.status, failure.title, failure.retryable, failure.json_schema())


def _expose(command: Command[Any, Any]) -> ExposeEntry | None:
    expose = command.expose
    if expose is None:
        return None
    return ExposeEntry(**{field.name: getattr(expose, field.name) for field in fields(ExposeEntry)})


def _type(payload: Payload[Any], *, output: bool = False) -> TypeEntry:
    return TypeEntry(_name(payload.type), payload.json_schema(output=output))


def _name(type_: Any) -> str:
    if type_ is None or type_ is type(None):
        return "None"
    return str(type_.__name__) if isinstance(type_, type) and not hasattr(type_, "__origin__") else str(type_)


def _addresses(service: ServiceEntry) -> Iterator[str]:
    yield from (event.address for event in service.events)
    for command in service.commands:
        yield command.address
        if command.announced:
            yield from (f"{command.address}.succeeded", f"{command.address}.failed")


def _links(service: ServiceEntry, known: set[str]) -> Iterator[Link]:
    for command in service.commands:
        yield from _uses(command.address, command.handler, known)
        if command.emits_result:
            yield Link(command.address, "emits", command.emits_result, command.emits_result in known)
    for subscription in service.subscriptions:
        yield Link(subscription.address, "reads", subscription.event, subscription.event in known)
        yield from _uses(subscription.address, subscription.handler, known)


def _uses(address: str, handler: HandlerEntry | None, known: set[str]) -> Iterator[Link]:
    if handler is not None:
        yield from (Link(address, "calls", target, target in known) for target in handler.calls)
        yield from (Link(address, "emits", target, target in known) for target in handler.emits)
