"""Sends what a handler held back, or keeps it for later."""

from __future__ import annotations

from collections.abc import Sequence

from pillion.errors import BridgeError, PillionError, StoreError
from pillion.message import Message
from pillion.outcome import Retry
from pillion.pipeline.claimcheck import lightened
from pillion.pipeline.steps import Plan
from pillion.ports.bridge import Outgoing
from pillion.resilience.inbox import Inbox
from pillion.resilience.record import Answer, Record


class Again(Retry):
    """Deliver the message again; what happened counts as no attempt."""


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
        # The shelf comes last: what is on it cannot be taken back when the others do not leave.
        if now := [outgoing for outgoing in messages if outgoing.due is None]:
            await self._publish(now)
        for outgoing in messages:
            if outgoing.due is not None:
                await self._keep(outgoing, outgoing.due)

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
