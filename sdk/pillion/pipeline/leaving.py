"""What a handler held back leaves when it has succeeded: its messages, and with ``once=`` its changes of state too."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeAlias, TypeVar

from pillion.context import Context
from pillion.errors import BridgeError, PillionError, StoreError
from pillion.message import Message
from pillion.outcome import Retry
from pillion.pipeline.claimcheck import lightened
from pillion.pipeline.steps import Plan
from pillion.ports.bridge import Outgoing
from pillion.ports.store import Change
from pillion.resilience.held import HeldStore
from pillion.resilience.inbox import Claim, Inbox
from pillion.resilience.record import Answer, Record

T = TypeVar("T")

# Lets what a handler held leave; takes its context and, for a command, the reply.
Leave: TypeAlias = Callable[[Context[Any, Any], Message | None], Awaitable[None]]


class Again(Retry):
    """Deliver the message again; what happened counts as no attempt."""


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

    async def commit(context: Context[Any, Any], reply: Message | None) -> None:
        execution: Any = context.once
        await uninterrupted(_commit(dispatch, execution, context.held or (), reply))

    return commit


async def _commit(dispatch: Dispatch, execution: Execution, held: Sequence[Outgoing], reply: Message | None) -> None:
    held, answer = await dispatch.recordable(held, reply)
    record = await execution.commit(execution.store.changes(), held, answer)
    await dispatch.record(execution.inbox, record)


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


class Dispatch:
    """Sends messages now, or keeps those that are to leave later.

    Args:
        plan: of the handler they come from.
    """

    def __init__(self, plan: Plan) -> None:
        self._address = plan.handler.address
        self._publish = plan.facilities.bridge.publish
        self._now = plan.facilities.clock.now
        self._log = plan.facilities.log
        self._provisions = plan.provisions
        self._claims = plan.facilities.claims

    async def held(self, messages: Sequence[Outgoing]) -> None:
        """Send messages.

        Raises:
            BridgeError: one did not leave.
            StoreError: one that is to leave later could not be kept.
        """
        if all(outgoing.due is None for outgoing in messages):
            await self._publish(messages)
            return
        for outgoing in messages:
            if outgoing.due is not None:
                await self._keep(outgoing, outgoing.due)
        if now := [outgoing for outgoing in messages if outgoing.due is None]:
            await self._publish(now)

    async def recordable(
        self, messages: Sequence[Outgoing], reply: Message | None
    ) -> tuple[Sequence[Outgoing], Answer | None]:
        """Messages and the answer as a record holds them: without payloads that are too large for a broker.

        Raises:
            BridgeError: such a payload could not be stored.
        """
        answer = None if reply is None else Answer.of(await self._claims.leave(reply))
        return await lightened(messages, self._claims), answer

    async def record(self, inbox: Inbox, record: Record) -> None:
        """Send what a record holds, unless it has left.

        Raises:
            Again: it neither left nor could be kept; the record has it.
        """
        if record.sent:
            return
        try:
            await self._send(record.outgoing)
        except PillionError as error:
            raise Again(f"its messages are recorded but did not leave: {error}", after=1.0) from error
        inbox.sent(record)

    async def _send(self, messages: Sequence[Outgoing]) -> None:
        try:
            await self.held(messages)
        except BridgeError as error:
            self._log.warning("messages wait on the shelf", handler=self._address, reason=str(error))
            for outgoing in messages:
                await self._keep(outgoing, self._now() if outgoing.due is None else outgoing.due)

    async def _keep(self, outgoing: Outgoing, due: float) -> None:
        shelf = self._provisions.shelf
        if shelf is None:
            raise StoreError(
                f"{self._address}: delay= needs a state store to keep messages in, and the service has none"
            )
        await shelf.post(outgoing._replace(due=None), due)
