"""Retries inside the app, then the dead-letter topic: what is done with a message that could not be handled.

Dapr holds up a whole topic for one message that is to be retried, and acknowledges or loses it on most brokers unless
told otherwise. So a failing handler is tried again here, within bounds, and what still fails is published to the
dead-letter topic by us: only then is the message acknowledged.
"""

from __future__ import annotations

import random
from typing import Any, NamedTuple

from msgspec.structs import replace

from pillion.context import Context, Scope
from pillion.errors import BridgeError
from pillion.flow import Handle
from pillion.message import Message
from pillion.outcome import Ack, DeadLetter, Drop, Outcome, Retry
from pillion.pipeline.steps import Plan, Step
from pillion.ports.bridge import Outgoing
from pillion.resilience.deadletter import dead_letter

# Dapr gives up on an answer after 60 s (the profiles' inbound timeout); waiting in the app stays well below.
LONGEST_WAIT = 20.0
# Messages that wait longer than that are with the bridge; so many of them are remembered.
_MOST_REMEMBERED = 10_000


def settle(plan: Plan, scope: Scope, step: Step, retry: Retry, dead_letter_topic: str | None) -> Handle:
    """The handle of an event or a send: attempts, waits between them, and the end of those that fail."""
    retried = _Attempts(plan, scope, step, retry)
    end = _End(plan, dead_letter_topic)

    async def handle(message: Message) -> Outcome:
        if retried.later:
            message, early = await retried.resume(message)
            if early is not None:
                return early
        outcome = await step(Context(scope, message))
        if type(outcome) is Ack:
            return outcome
        if isinstance(outcome, Retry):
            message, outcome = await retried.run(message, outcome)
        return await end.of(message, outcome)

    return handle


class _Later(NamedTuple):
    """A wait that is too long for the app: until when, and what the bridge was told."""

    due: float
    outcome: Retry


class _Attempts:
    """Tries again until it works, the attempts are used up, or the waiting grows too long."""

    def __init__(self, plan: Plan, scope: Scope, step: Step, retry: Retry) -> None:
        self._address = plan.handler.address
        self._log = plan.facilities.log
        self._clock = plan.facilities.clock
        self._scope = scope
        self._step = step
        self._retry = retry
        self.later: dict[str, _Later] = {}

    async def resume(self, message: Message) -> tuple[Message, Retry | None]:
        """Go on with a message whose wait was too long for the app; a bridge may bring it back too early."""
        found = self.later.get(message.id)
        if found is None:
            return message, None
        left = found.due - self._clock.now()
        await self._clock.sleep(min(max(left, 0.0), LONGEST_WAIT))
        if left > LONGEST_WAIT:
            return message, found.outcome
        self.later.pop(message.id, None)
        return replace(message, attempt=found.outcome.next_attempt), None

    async def run(self, message: Message, outcome: Outcome) -> tuple[Message, Outcome]:
        waited = 0.0
        while isinstance(outcome, Retry):
            attempt = message.attempt or 1
            if attempt >= self._retry.attempts:
                return message, _exhausted(outcome, attempt)
            message = replace(message, attempt=attempt + 1)
            wait = self._wait(outcome, attempt)
            if waited + wait > LONGEST_WAIT:
                return message, self._postpone(message, _later(outcome, wait, attempt + 1), wait)
            self._log.warning(
                "trying again", handler=self._address, message_id=message.id, attempt=attempt + 1,
                wait_seconds=round(wait, 3), reason=outcome.reason,
            )  # fmt: skip
            await self._clock.sleep(wait)
            waited += wait
            outcome = await self._step(Context(self._scope, message))
        return message, outcome

    def _postpone(self, message: Message, outcome: Retry, wait: float) -> Retry:
        if len(self.later) >= _MOST_REMEMBERED:
            del self.later[next(iter(self.later))]
        self.later[message.id] = _Later(self._clock.now() + wait, outcome)
        return outcome

    def _wait(self, asked: Retry, attempt: int) -> float:
        if asked.after is not None:
            return asked.after
        wait = self._retry.backoff.wait(attempt)
        return wait * (1 - self._retry.jitter * random.random())


class _End:
    """What becomes of a message that is not simply done."""

    def __init__(self, plan: Plan, topic: str | None) -> None:
        self._address = plan.handler.address
        self._log = plan.facilities.log
        self._publish = plan.facilities.bridge.publish
        self._topic = topic

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
            await self._publish([Outgoing(self._topic, letter)])
        except BridgeError as error:
            # Acknowledging now would lose it, so the broker keeps it until the dead-letter topic takes it.
            self._log.error("dead letter could not be published", reason=str(error), handler=self._address)
            return Retry(str(error))
        self._log.error("message set aside", topic=self._topic, **self._about(message, outcome.reason))
        return Ack()

    def _about(self, message: Message, reason: str) -> dict[str, Any]:
        return {
            "handler": self._address,
            "message_id": message.id,
            "correlation_id": message.correlation_id or message.id,
            "attempt": message.attempt or 1,
            "reason": reason,
        }


def _exhausted(outcome: Retry, attempts: int) -> DeadLetter:
    verdict = DeadLetter(f"failed {attempts} times: {outcome.reason}" if outcome.reason else f"failed {attempts} times")
    verdict.__cause__ = outcome.__cause__
    return verdict


def _later(outcome: Retry, wait: float, attempt: int) -> Retry:
    verdict = Retry(outcome.reason, after=wait)
    verdict.next_attempt = attempt
    verdict.__cause__ = outcome.__cause__
    return verdict
