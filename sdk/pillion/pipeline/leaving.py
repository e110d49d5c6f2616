"""What a handler held back leaves when it has succeeded: its messages, and with ``once=`` its changes of state too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from typing import Any, TypeAlias, TypeVar

from pillion.context import Context
from pillion.errors import PillionError
from pillion.message import Message
from pillion.outcome import Ack
from pillion.pipeline.dispatch import Dispatch
from pillion.pipeline.recovery import Recovery
from pillion.pipeline.steps import Plan
from pillion.ports.bridge import Outgoing
from pillion.ports.store import Change
from pillion.resilience.held import HeldStore
from pillion.resilience.inbox import Claim, Inbox
from pillion.resilience.record import Answer, Record

T = TypeVar("T")

# Lets what a handler held leave; takes its context and, for a command, the reply.
Leave: TypeAlias = Callable[[Context[Any, Any], Message | None], Awaitable[None]]


class Execution:
    """One execution of a handler with ``once=``; implements ``pillion.context.Once``.

    Attributes:
        inbox: knows which messages were handled.
        claim: on this message.
        store: holds the handler's changes.
        fingerprint: of the request, where its sender named it.
        committed: the changes are written.
    """

    __slots__ = ("claim", "committed", "fingerprint", "inbox", "store")

    def __init__(self, inbox: Inbox, claim: Claim, store: HeldStore, fingerprint: str) -> None:
        self.inbox = inbox
        self.claim = claim
        self.store = store
        self.fingerprint = fingerprint
        self.committed = False

    async def commit(self, changes: Sequence[Change], outgoing: Sequence[Outgoing], answer: Answer | None) -> Record:
        """Write the changes and the record; see ``Inbox.commit``."""
        record = await self.inbox.commit(self.claim, changes, outgoing, answer, self.fingerprint)
        self.committed = True
        return record


def leaving(plan: Plan) -> Leave:
    """How this handler's messages leave."""
    dispatch = Dispatch(plan)
    if plan.handler.once is None:

        async def publish(context: Context[Any, Any], _: Message | None) -> None:
            if context.held:
                await dispatch.held(context.held)

        return publish

    recovery, bridge = Recovery(plan), plan.facilities.bridge

    async def commit(context: Context[Any, Any], reply: Message | None) -> None:
        execution: Any = context.once
        held, answer = await dispatch.recordable(context.held or (), reply)
        try:
            record = await execution.commit(execution.store.changes(), held, answer)
            leave = dispatch.record(execution.inbox, record)
            # Who is alone hands its messages over within the process, at once: no task is worth that.
            await (leave if bridge.alone else uninterrupted(leave))
        except asyncio.CancelledError:
            # It was written, or was not, and whoever gets a failure for an answer may not ask again.
            with suppress(PillionError):
                execution.committed = await uninterrupted(recovery.finish(context.message))
            raise

    if not (plan.replies and bridge.forgets_calls):
        return commit

    async def keep_and_commit(context: Context[Any, Any], reply: Message | None) -> None:
        async with kept(recovery, context.message) if context.held else nullcontext():
            await commit(context, reply)

    return keep_and_commit


@asynccontextmanager
async def kept(recovery: Recovery, message: Message) -> AsyncIterator[None]:
    """Commit a call that nobody brings again inside this: only the shelf can finish what the process may leave undone.

    Raises:
        StoreError: it could not be kept.
    """
    release = await recovery.keep(message)
    yield
    with suppress(PillionError):  # then it is found finished when its time comes
        await release(Ack())


async def uninterrupted(work: Coroutine[Any, Any, T]) -> T:
    """Await the work to its end, also when this task is cancelled meanwhile: half of it would be worse."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()
        raise
