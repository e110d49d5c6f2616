"""Effects once: a message is claimed, and what comes of it is recorded together with the handler's changes.

The broker delivers again what was not acknowledged, so whatever died in between is finished by the next delivery: it
finds no record and handles the message, or finds one and lets leave what has not left.
"""

from __future__ import annotations

import random
from contextlib import nullcontext, suppress
from hashlib import sha256
from typing import Any

from msgspec import UNSET

from pillion.context import Context, Sending
from pillion.errors import ConflictError, Failure, IdempotencyKeyReused, PillionError, StoreError, Unavailable
from pillion.message import Message
from pillion.outcome import Ack, Outcome, Reply
from pillion.pipeline.dispatch import Again, Dispatch
from pillion.pipeline.failures import report
from pillion.pipeline.leaving import Execution, kept, uninterrupted
from pillion.pipeline.recovery import Recovery
from pillion.pipeline.steps import Plan, Step
from pillion.pipeline.validate import validate
from pillion.ports.bridge import Outgoing
from pillion.resilience.held import HeldStore
from pillion.resilience.inbox import Busy, Claim, Inbox
from pillion.resilience.record import Record
from pillion.service.subscription import CommandHandler

# How long a delivery waits for another that has the claim, at most, and at most a part of its time-out; then it is
# parked.
_PATIENCE = 10.0
_FIRST_LOOK, _LAST_LOOK = 0.02, 0.5
# Recorded messages that have not left after this time will not leave by themselves. Seconds.
_LEAVING = 2.0
# How often a handler runs while others change its state at the same time, and the longest wait between. Seconds.
_RUNS = 50
_LONGEST_WAIT = 0.1


def once(plan: Plan, step: Step) -> Step:
    """Handle a message that was not handled before; answer again for one that was."""
    if plan.handler.once is None:
        return step
    return _Once(plan, step).handle


def recovered(plan: Plan, step: Step) -> Step:
    """Before a message is refused as expired: let leave what an earlier delivery of it had done and recorded."""
    if plan.handler.once is None:
        return step
    recovery = Recovery(plan)

    async def recover(context: Context[Any, Any]) -> Outcome:
        if recovery.expired(context.message):
            await recovery.finish(context.message)
        return await step(context)

    return recover


class _Once:
    def __init__(self, plan: Plan, step: Step) -> None:
        self._plan = plan
        self._step = step
        # Another run starts from the message again: the first may have changed the payload.
        self._rerun = validate(plan, step)
        self._recovery = Recovery(plan)
        self._window = plan.handler.once or 0.0
        self._patience = min(_PATIENCE, self._recovery.lease / 3)
        self._clock = plan.facilities.clock
        self._forgets_calls = plan.facilities.bridge.forgets_calls
        self._dispatch = Dispatch(plan)
        self._provisions = plan.provisions

    async def handle(self, context: Context[Any, Any]) -> Outcome:
        inbox, step = self._recovery.inbox(), self._step
        for run in range(_RUNS):
            begun = await self._begin(inbox, context.message)
            if isinstance(begun, Record):
                return await self._repeat(context.message, inbox, begun)
            try:
                return await self._run(context, inbox, begun, step)
            except ConflictError:
                # Somebody else changed what this handler had read, or has done its work; nothing was written.
                await self._clock.sleep(random.random() * min(_LONGEST_WAIT, 0.005 * 2**run))
                step = self._rerun
        raise Unavailable(reason=f"{self._plan.handler.address}: others changed its state {_RUNS} times in a row")

    async def _run(self, context: Context[Any, Any], inbox: Inbox, claim: Claim, step: Step) -> Outcome:
        if self._provisions.store is None:
            raise StoreError(f"{self._plan.handler.address}: the service has no state store")
        execution = Execution(inbox, claim, HeldStore(self._provisions.store), _fingerprint(context.message))
        context.once, context.held = execution, None
        try:
            return await self._answered(context, execution, step)
        except BaseException:
            await self._release(execution)
            raise

    async def _answered(self, context: Context[Any, Any], execution: Execution, step: Step) -> Outcome:
        try:
            return await step(context)
        except Failure as failure:
            if not self._plan.replies or failure.retryable or execution.committed:
                raise
            return await uninterrupted(self._refused(context.message, execution, failure))

    async def _refused(self, message: Message, execution: Execution, failure: Failure) -> Outcome:
        """A failure is an answer too: nothing is changed, and whoever asks again gets it again."""
        reply = self._plan.outbound.failure(message, failure)
        held = self._announcement(message, failure)
        messages, answer = await self._dispatch.recordable(held, reply)
        async with kept(self._recovery, message) if held and self._forgets_calls else nullcontext():
            record = await execution.commit((), messages, answer)
            await self._dispatch.record(execution.inbox, record)
        return Reply(reply)

    def _announcement(self, message: Message, failure: Failure) -> list[Outgoing]:
        handler, outbound = self._plan.handler, self._plan.outbound
        if not isinstance(handler, CommandHandler) or not handler.command.announced:
            return []
        return [outbound.emit(handler.command.failed, report(failure), message, Sending(message.subject))]

    async def _release(self, execution: Execution) -> None:
        if not execution.committed:
            with suppress(PillionError):  # the claim ends by itself
                await uninterrupted(execution.inbox.release(execution.claim))

    async def _begin(self, inbox: Inbox, message: Message) -> Claim | Record:
        name, until, look = self._recovery.name(message), self._clock.now() + self._patience, _FIRST_LOOK
        while True:
            try:
                begun = await inbox.begin(name)
                if isinstance(begun, Claim) or not self._leaving(begun):
                    return begun
            except Busy as busy:
                now = self._clock.now()
                if now >= until:
                    raise Again("it is being handled elsewhere", after=max(_LAST_LOOK, busy.until - now)) from busy
            await self._clock.sleep(look)
            look = min(_LAST_LOOK, 2 * look)

    def _leaving(self, record: Record) -> bool:
        """Whether its messages are about to leave: whoever recorded them has just done so."""
        return not record.sent and 0 <= self._clock.now() - (record.expires - self._window) < _LEAVING

    async def _repeat(self, message: Message, inbox: Inbox, record: Record) -> Outcome:
        if message.idempotency_key is not None and record.fingerprint != _fingerprint(message):
            # Somebody else's answer, if keys can be guessed; a mistake of the caller, if not.
            raise IdempotencyKeyReused(key=message.idempotency_key)
        await uninterrupted(self._dispatch.record(inbox, record))
        handler = self._plan.handler
        if not self._plan.replies or not isinstance(handler, CommandHandler):
            return Ack()
        reply = self._plan.outbound.answer(message, handler.command.output, (UNSET, None))
        if record.answer is not None:
            reply = record.answer.put_in(reply)
        return Reply(reply if reply.claim is None else await self._plan.facilities.claims.fetch(reply))


def _fingerprint(message: Message) -> str:
    """Of a request that its sender named; messages without a name are known by their id."""
    if message.idempotency_key is None:
        return ""
    return sha256(message.json or (message.data_base64 or "").encode()).hexdigest()
