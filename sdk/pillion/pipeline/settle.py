"""Retries inside the app, then parking, then the dead-letter topic: what is done with a message that fails.

Dapr holds up a whole topic for one message that is to be retried, and acknowledges or loses it on most brokers unless
told otherwise. So a failing handler is tried again here, within bounds; a message that has to wait longer is parked in
the service's own store; and what still fails is published to the dead-letter topic by us. Only then is it acknowledged.
"""

from __future__ import annotations

import random
from asyncio import Semaphore
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from pillion.context import Context, Scope
from pillion.errors import BridgeError, Failure, SidecarError, StoreError, Unavailable
from pillion.flow import Handle
from pillion.message import Message
from pillion.outcome import Ack, DeadLetter, Drop, Outcome, Retry
from pillion.pipeline.announcement import announcement
from pillion.pipeline.concurrency import bounded
from pillion.pipeline.dispatch import Again
from pillion.pipeline.failures import wire_failure
from pillion.pipeline.parking import Parking
from pillion.pipeline.policy import Failed, decided, deciding
from pillion.pipeline.steps import Plan, Step
from pillion.pipeline.wanted import UNWANTED
from pillion.ports.bridge import Outgoing
from pillion.resilience.deadletter import dead_letter, letter_id, sealed
from pillion.resilience.parked import Taken
from pillion.resilience.pause import Gate
from pillion.service.subscription import Subscription

# What is taken from the shelf while its subscription pauses is taken again after this time, at least. Seconds.
_NOT_YET = 0.5
PAUSED = "its subscription pauses"


class Settling:
    """Handles the messages of an event or of sends: attempts, waits between them, and the end of those that fail.

    Args:
        plan: the handler's.
        scope: what the handler may reach.
        step: its compiled stages; what it raises is decided here.
        dead_letter_topic: where messages go that cannot be handled; None drops them.
        slots: of the handler, for each attempt; whoever resumes a message has one already. None: there are none.
        key: ordering key of a message; messages of one key are handled in their order.

    Attributes:
        handle: handles a message as the bridge brings it.
    """

    def __init__(
        self,
        plan: Plan,
        scope: Scope,
        step: Step,
        *,
        dead_letter_topic: str | None,
        slots: Semaphore | None = None,
        key: Callable[[Message], str | None] | None = None,
    ) -> None:
        self._gate = gate = _gate(plan)
        self._clock = plan.facilities.clock
        self._longest_wait = plan.facilities.longest_wait
        self._scope = scope
        self._decide = deciding(plan)
        certain = decided(step, self._decide)
        self._resumed = certain if gate is None else _gated(plan, certain, gate)
        self._step = bounded(self._resumed, slots)
        self._key = key
        self._end = _End(plan, dead_letter_topic)
        self._parking = Parking(plan, key)
        self._attempts = _Attempts(plan, scope, self._step, gate, self._parking)
        self.handle: Handle = self._at_once(bounded(step, slots)) if gate is None and key is None else self._held_up

    async def _held_up(self, message: Message) -> Outcome:
        """Handle a message when its subscription goes on, and what comes before it is done."""
        began = self._clock.now()
        if self._gate is not None and not await _goes_on(self._gate, self._parking, self._parking.patience, began):
            return await self._parking.hold(message, self._gate.until, PAUSED)
        if self._key is not None and (behind := await self._parking.behind(message)) is not None:
            if self._gate is not None:
                self._gate.left()
            return behind
        outcome = await self._step(Context(self._scope, message))
        return outcome if type(outcome) is Ack else await self._settle(message, outcome, began)

    def _at_once(self, step: Step) -> Handle:
        """Handle a message that nothing holds up."""
        # Variables of a closure, and no step around the step: each would cost every message a little.
        scope, now, decide, settle = self._scope, self._clock.now, self._decide, self._settle

        async def handle(message: Message) -> Outcome:
            began, context = now(), Context(scope, message)
            try:
                outcome = await step(context)
            except BaseException as error:  # noqa: BLE001 - what is not for us to decide is raised again
                outcome = decide(context, error)
            return outcome if type(outcome) is Ack else await settle(message, outcome, began)

        return handle

    async def _settle(self, message: Message, outcome: Outcome, began: float) -> Outcome:
        if isinstance(outcome, Retry):
            message, outcome, wait = await self._attempts.run(message, outcome, began)
            if isinstance(outcome, Again):
                return await self._parking.hold(message, self._clock.now() + wait, outcome.reason)
            if isinstance(outcome, Retry):
                outcome = await self._parking.later(message, outcome, wait)
        return await self._end.of(message, outcome)

    async def resume(self, taken: Taken) -> None:
        """One more attempt for a message from the shelf."""
        message = taken.message
        outcome: Outcome
        if taken.parked.begun:
            outcome = Failed("its process ended while handling it")
        elif self._gate is not None and self._gate.paused and not await self._gate.enter(0.0):
            due = max(self._gate.until, self._clock.now() + _NOT_YET)
            return await self._parking.back(taken, message, due, PAUSED)
        else:
            await self._parking.begin(taken)
            outcome = await self._resumed(Context(self._scope, message))
        if isinstance(outcome, Retry):
            outcome, wait = self._attempts.after(message, outcome)
            if isinstance(outcome, Again):
                return await self._parking.back(taken, message, self._clock.now() + wait, outcome.reason)
            if isinstance(outcome, Retry):
                return await self._parking.again(taken, message, wait, outcome.reason)
        outcome = await self._end.of(message, outcome)
        if isinstance(outcome, Retry):
            return await self._parking.again(taken, message, self._longest_wait, outcome.reason)
        return await self._parking.done(taken)


def _gate(plan: Plan) -> Gate | None:
    policy = plan.handler.pause if isinstance(plan.handler, Subscription) else None
    return None if policy is None else Gate(policy, plan.facilities.clock)


def _gated(plan: Plan, step: Step, gate: Gate) -> Step:
    """Tell the gate how each attempt ended."""
    log, address = plan.facilities.log, plan.handler.address

    async def watched(context: Context[Any, Any]) -> Outcome:
        try:
            outcome = await step(context)
        except BaseException:
            gate.left()
            raise
        if outcome is UNWANTED or isinstance(outcome, Again | Drop | DeadLetter):
            gate.left()
        elif not isinstance(outcome, Retry):
            if gate.passed():
                log.info("subscription goes on", handler=address)
        elif gate.failed():
            seconds = round(gate.until - plan.facilities.clock.now(), 3)
            log.error("subscription pauses: all attempts fail", handler=address, seconds=seconds, reason=outcome.reason)
        return outcome

    return watched


async def _goes_on(gate: Gate, parking: Parking, patience: float, now: float) -> bool:
    """Wait for the end of a pause, unless the message would have to be parked after that all the same."""
    if not gate.paused:
        return True
    return not (parking.possible and gate.until > now + patience) and await gate.enter(patience)


class _Attempts:
    """Tries again until it works, the attempts are used up, or the waiting grows too long."""

    def __init__(self, plan: Plan, scope: Scope, step: Step, gate: Gate | None, parking: Parking) -> None:
        self._address = plan.handler.address
        self._log = plan.facilities.log
        self._clock = plan.facilities.clock
        self._scope = scope
        self._step = step
        self._retries = plan.retries
        self._gate = gate
        self._parking = parking

    async def run(self, message: Message, outcome: Outcome, began: float) -> tuple[Message, Outcome, float]:
        """The message as it was last tried, what that came to, and, for a ``Retry``, in how many seconds it is due.

        Attempts that take long count as waiting does: no attempt begins later than that after the first, so that the
        last one is over before a sidecar gives up.
        """
        until = began + self._parking.patience
        while isinstance(outcome, Retry):
            outcome, wait = self.after(message, outcome)
            if not isinstance(outcome, Retry) or isinstance(outcome, Again) or self._clock.now() + wait > until:
                return message, outcome, wait
            message = replace(message, attempt=message.attempt + 1)
            self._log.warning(
                "trying again", handler=self._address, message_id=message.id, attempt=message.attempt,
                wait_seconds=round(wait, 3), reason=outcome.reason,
            )  # fmt: skip
            await self._clock.sleep(wait)
            now = self._clock.now()
            if self._gate is not None and not await _goes_on(self._gate, self._parking, until - now, now):
                return message, Again(PAUSED), self._gate.until - self._clock.now()
            outcome = await self._step(Context(self._scope, message))
        return message, outcome, 0.0

    def after(self, message: Message, outcome: Retry) -> tuple[Outcome, float]:
        """What an attempt that failed comes to: another one in so many seconds, or the end."""
        if isinstance(outcome, Again):
            return outcome, outcome.after or 0.0
        # What a handler raised its own Retry from is its own affair.
        cause = outcome.__cause__ if isinstance(outcome, Failed) else None
        policy, attempt = self._retries.of(cause), message.attempt
        if policy is None or attempt >= policy.attempts:
            return _exhausted(outcome, attempt), 0.0
        if outcome.after is not None:
            return outcome, outcome.after
        return outcome, policy.backoff.wait(attempt) * (1 - policy.jitter * random.random())


class _End:
    """What becomes of a message that is not simply done."""

    def __init__(self, plan: Plan, topic: str | None) -> None:
        self._address = plan.handler.address
        self._log = plan.facilities.log
        self._publish = plan.facilities.bridge.publish
        self._topic = topic
        self._announce = announcement(plan)

    async def of(self, message: Message, outcome: Outcome) -> Outcome:
        if isinstance(outcome, DeadLetter):
            return await self._set_aside(message, outcome)
        if isinstance(outcome, Drop):
            self._log.warning("message dropped", **self._about(message, outcome.reason))
        return outcome

    async def _set_aside(self, message: Message, outcome: DeadLetter) -> Outcome:
        if self._topic is None:
            self._log.error("message dropped; it has no dead-letter topic", **self._about(message, outcome.reason))
            return Drop(outcome.reason)
        letter = dead_letter(message, self._address, outcome.reason, outcome.__cause__)
        try:
            # Repeated, a letter is the same one; an announcement is another.
            await self._publish([Outgoing(self._topic, sealed(letter))])
            if self._announce is not None:
                await self._announce(message, _failure(message, outcome))
        except (BridgeError, SidecarError, StoreError) as error:
            # Acknowledging now would lose it, so the broker keeps it until the dead-letter topic takes it.
            self._log.error("dead letter could not be published", reason=str(error), handler=self._address)
            return Retry(str(error))
        name = letter_id(letter)
        self._log.error("message set aside", letter=name, topic=self._topic, **self._about(message, outcome.reason))
        return Ack()

    def _about(self, message: Message, reason: str) -> dict[str, Any]:
        return {
            "handler": self._address,
            "message_id": message.id,
            "correlation_id": message.correlation_id or message.id,
            "attempt": message.attempt,
            "reason": reason,
        }


def _failure(message: Message, outcome: DeadLetter) -> Failure:
    """What others are told of it."""
    cause = outcome.__cause__
    return wire_failure(cause, message) if isinstance(cause, Exception) else Unavailable(reason=outcome.reason)


def _exhausted(outcome: Retry, attempts: int) -> DeadLetter:
    verdict = DeadLetter(f"failed {attempts} times: {outcome.reason}" if outcome.reason else f"failed {attempts} times")
    verdict.__cause__ = outcome.__cause__
    return verdict
