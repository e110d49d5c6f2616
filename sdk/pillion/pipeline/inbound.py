"""The order of one execution: the tuple below is the documentation.

What a handler does not need is left out when its stages are folded into one callable, once, at start. What is raised
inside becomes an outcome around them, as ``policy.py`` says.
"""

from __future__ import annotations

from asyncio import Semaphore
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

from pillion.flow import Handle
from pillion.message import Message
from pillion.pipeline.call import call
from pillion.pipeline.claimcheck import answering
from pillion.pipeline.concurrency import bounded, slots_of
from pillion.pipeline.custody import Custody
from pillion.pipeline.deadline import deadline
from pillion.pipeline.facilities import Facilities
from pillion.pipeline.guard import guarded
from pillion.pipeline.keeper import Resumption
from pillion.pipeline.letterbox import LetterBox
from pillion.pipeline.margin import margin
from pillion.pipeline.once import once, recovered
from pillion.pipeline.order import in_order
from pillion.pipeline.outbound import Outbound
from pillion.pipeline.policy import replying
from pillion.pipeline.recovery import Recovery
from pillion.pipeline.scope import HandlerScope, Provisions
from pillion.pipeline.settle import Settling
from pillion.pipeline.steps import Plan, Stage, Step
from pillion.pipeline.trace import traced
from pillion.pipeline.validate import validate
from pillion.pipeline.wanted import wanted
from pillion.ports.bridge import Kind, Release, Route
from pillion.resilience.breaker import Circuits
from pillion.resilience.retries import Retries
from pillion.service.event import Event
from pillion.service.service import Service
from pillion.service.subscription import CommandHandler, Handler, Subscription

# The type of events in Dapr's default envelope.
DAPR_EVENT = "com.dapr.event.sent"
# A request to the state store has ended by then. Seconds.
_KEEPING = 30.0

STAGES: tuple[Stage, ...] = (wanted, traced, recovered, deadline, margin, validate, guarded, once)


@dataclass(frozen=True, slots=True)
class Compiled:
    """A service's handlers, compiled.

    Attributes:
        routes: what the bridge delivers to.
        parked: what takes messages from the shelf, by the address of the handler.
    """

    routes: Sequence[Route]
    parked: Mapping[str, Resumption]


def compiled(service: Service, provisions: Provisions, facilities: Facilities) -> Compiled:
    """Every handler of a service, compiled."""
    compiler = _Compiler(service, provisions, facilities)
    commands = [route for handler in service.handlers.values() for route in compiler.command(handler)]
    reactions = [compiler.subscription(subscription) for subscription in service.subscriptions.values()]
    return Compiled([*commands, *reactions, *compiler.letters()], compiler.parked)


class _Compiler:
    def __init__(self, service: Service, provisions: Provisions, facilities: Facilities) -> None:
        self._service = service
        self._contract = service.contract
        self._provisions = provisions
        self._facilities = facilities
        self._outbound = Outbound(facilities, service.group)
        breaker = service.breaker
        self._circuits = None if breaker is None else Circuits(breaker, facilities.clock)
        self.parked: dict[str, Resumption] = {}

    def command(self, handler: CommandHandler) -> list[Route]:
        """One route for calls and one for sends."""
        command = handler.command
        called, sent = self._plan(handler, replies=True), self._plan(handler, replies=False)
        scope = self._scope(handler)
        letters = self._contract.dead_letter_topic
        slots = slots_of(handler)
        answer = answering(called, replying(called, scope, bounded(_folded(called), slots)))
        settling = Settling(sent, scope, _folded(sent), dead_letter_topic=letters, slots=slots)
        custody = Custody(sent)
        self._parks(handler.address, handler, settling, slots)
        self._parks(custody.address, handler, settling, slots)
        return [
            replace(
                self._route(Kind.COMMAND, handler, command.topic, answer, command.address, letters),
                custody=self._custody(called),
            ),
            replace(
                self._route(Kind.SEND, handler, command.send_topic, settling.handle, command.address, letters),
                custody=custody.keep,
                longest_wait=self._facilities.longest_wait,
                shelf=self._service.state_component,
            ),
        ]

    def subscription(self, subscription: Subscription) -> Route:
        """The route of a subscription."""
        event, where = subscription.event, subscription.where
        plan, scope = self._plan(subscription, replies=False), self._scope(subscription)
        letters = self._contract.dead_letter_topic if subscription.dead_letter else None
        key = _key(subscription)
        slots = slots_of(subscription)
        settling = Settling(plan, scope, _folded(plan), dead_letter_topic=letters, slots=slots, key=key)
        self._parks(subscription.address, subscription, settling, slots)
        return Route(
            Kind.EVENT,
            subscription.address,
            self._contract.group,
            event.topic,
            in_order(settling.handle, key, self._facilities.clock),
            types=_types(event),
            component=event.component,
            dead_letter_topic=letters,
            broadcast=subscription.broadcast,
            raw=event.raw,
            concurrency=subscription.concurrency,
            slow=subscription.slow,
            rule=where.rule() if where is not None else None,
            key=key,
            timeout=subscription.timeout,
            longest_wait=self._facilities.longest_wait,
            # A broadcast is not parked: the shelf is shared by all instances.
            shelf=None if subscription.broadcast else self._service.state_component,
        )

    def letters(self) -> list[Route]:
        """The route that keeps the service's own dead letters, so that they can be listed and replayed."""
        topic = self._contract.dead_letter_topic
        keeping = LetterBox(self._provisions, self._facilities.log, self._facilities.claims).handle
        # What is no CloudEvent is wrapped into one and comes again.
        return [
            Route(
                Kind.EVENT, topic, self._contract.group, topic, keeping,
                dead_letter_topic=topic, needs=self._service.state_component, timeout=_KEEPING,
            )
        ]  # fmt: skip

    def _route(
        self, kind: Kind, handler: CommandHandler, topic: str, handle: Handle, type_: str, letters: str
    ) -> Route:
        return Route(
            kind, handler.address, self._contract.group, topic, handle,
            types=(type_,), dead_letter_topic=letters, concurrency=handler.concurrency,
            durable=handler.once is not None, timeout=handler.timeout,
        )  # fmt: skip

    def _custody(self, plan: Plan) -> Callable[[Message], Awaitable[Release]] | None:
        """Keeps calls that take long, where their effects must not be lost."""
        if plan.handler.once is None:
            return None
        recovery = Recovery(plan)
        self.parked[recovery.address] = Resumption(recovery.resume)
        return recovery.keep

    def _parks(self, address: str, handler: Handler, settling: Settling, slots: Semaphore | None) -> None:
        limit, turn = handler.concurrency, nullcontext() if slots is None else slots
        self.parked[address] = Resumption(settling.resume, limit, turn)

    def _plan(self, handler: Handler, *, replies: bool) -> Plan:
        return Plan(handler, self._facilities, self._outbound, replies, self._provisions, Retries(handler.retries))

    def _scope(self, handler: Handler) -> HandlerScope:
        return HandlerScope(handler, self._provisions, self._outbound, self._circuits)


def _types(event: Event[Any]) -> tuple[str, ...]:
    """What counts as this event. On a topic of its own that is also what plain Dapr applications publish there."""
    if event.cloudevent_type is None:
        return ()
    return (event.cloudevent_type, DAPR_EVENT) if event.topic == event.cloudevent_type else (event.cloudevent_type,)


def _key(subscription: Subscription) -> Callable[[Message], str | None] | None:
    """The ordering key of a message; None for a subscription without order."""
    key = subscription.key
    if key is None:
        return None
    if key == "subject":
        return lambda message: message.subject
    decode = subscription.input.decode

    def of_payload(message: Message) -> str | None:
        if message.claim is not None:
            return message.subject  # the payload is not here
        try:
            return key(decode(message))
        except Exception:  # noqa: BLE001 - of the user's function; whoever publishes must not get it
            return None  # a payload that is not valid is set aside; what has no key has no order

    return of_payload


def _folded(plan: Plan) -> Step:
    step = call(plan)
    for stage in reversed(STAGES):
        step = stage(plan, step)
    return step
