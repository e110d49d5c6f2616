"""The order of one execution: the tuple below is the documentation.

What a handler does not need is left out when its stages are folded into one callable, once, at start.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from pillion.context import Context
from pillion.flow import Handle
from pillion.message import Message
from pillion.outcome import Outcome, Retry
from pillion.pipeline.call import call
from pillion.pipeline.deadline import deadline
from pillion.pipeline.facilities import Facilities
from pillion.pipeline.guard import guarded
from pillion.pipeline.outbound import Outbound
from pillion.pipeline.policy import policy
from pillion.pipeline.scope import HandlerScope, Provisions
from pillion.pipeline.settle import settle
from pillion.pipeline.steps import Plan, Stage, Step
from pillion.pipeline.trace import traced
from pillion.pipeline.validate import validate
from pillion.pipeline.wanted import wanted
from pillion.ports.bridge import Kind, Route
from pillion.service.event import Event
from pillion.service.service import Service
from pillion.service.subscription import CommandHandler, Handler, Subscription

# The type of events in Dapr's default envelope.
DAPR_EVENT = "com.dapr.event.sent"

STAGES: tuple[Stage, ...] = (policy, wanted, traced, deadline, validate, guarded)


def routes(service: Service, provisions: Provisions, facilities: Facilities) -> list[Route]:
    """Every route of a service, its handlers compiled."""
    compiler = _Compiler(service, provisions, facilities)
    commands = [route for handler in service.handlers.values() for route in compiler.command(handler)]
    return commands + [compiler.subscription(subscription) for subscription in service.subscriptions.values()]


class _Compiler:
    def __init__(self, service: Service, provisions: Provisions, facilities: Facilities) -> None:
        self._contract = service.contract
        self._provisions = provisions
        self._facilities = facilities
        self._outbound = Outbound(facilities, service.group)

    def command(self, handler: CommandHandler) -> list[Route]:
        """One route for calls and one for sends."""
        command = handler.command
        called, sent = self._plan(handler, replies=True), self._plan(handler, replies=False)
        scope = self._scope(handler)
        letters = self._contract.dead_letter_topic
        answer = _direct(scope, _folded(called))
        handle = settle(sent, scope, _folded(sent), Retry(), letters)
        return [
            self._route(Kind.COMMAND, handler, command.topic, answer, command.address, None),
            self._route(Kind.SEND, handler, command.send_topic, handle, command.address, letters),
        ]

    def subscription(self, subscription: Subscription) -> Route:
        """The route of a subscription."""
        event, where = subscription.event, subscription.where
        plan, scope = self._plan(subscription, replies=False), self._scope(subscription)
        letters = self._contract.dead_letter_topic if subscription.dead_letter else None
        handle = settle(plan, scope, _folded(plan), subscription.retry, letters)
        return Route(
            Kind.EVENT,
            subscription.address,
            self._contract.group,
            event.topic,
            handle,
            types=_types(event),
            component=event.component,
            dead_letter_topic=letters,
            broadcast=subscription.broadcast,
            raw=event.raw,
            concurrency=subscription.concurrency,
            slow=subscription.slow,
            rule=where.rule() if where is not None else None,
        )

    def _route(
        self, kind: Kind, handler: CommandHandler, topic: str, handle: Handle, type_: str, letters: str | None
    ) -> Route:
        return Route(
            kind, handler.address, self._contract.group, topic, handle,
            types=(type_,), dead_letter_topic=letters, concurrency=handler.concurrency,
        )  # fmt: skip

    def _plan(self, handler: Handler, *, replies: bool) -> Plan:
        return Plan(handler, self._facilities, self._outbound, replies)

    def _scope(self, handler: Handler) -> HandlerScope:
        return HandlerScope(handler, self._provisions, self._outbound)


def _types(event: Event[Any]) -> tuple[str, ...]:
    """What counts as this event. On a topic of its own that is also what plain Dapr applications publish there."""
    if event.cloudevent_type is None:
        return ()
    return (event.cloudevent_type, DAPR_EVENT) if event.topic == event.cloudevent_type else (event.cloudevent_type,)


def _folded(plan: Plan) -> Step:
    step = call(plan)
    for stage in reversed(STAGES):
        step = stage(plan, step)
    return step


def _direct(scope: HandlerScope, step: Step) -> Handle:
    def handle(message: Message) -> Awaitable[Outcome]:
        return step(Context(scope, message))

    return handle
