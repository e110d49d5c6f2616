"""Finishes what an execution with ``once=`` had recorded, when nobody is going to deliver its message again.

Commands come in batches, one at a time. One that takes long would hold up the others, and a call from inside it to its
own service would wait for itself. So it is acknowledged early, after its message was put on the shelf: if the app dies,
what had been committed is finished from there. What had not been committed is not begun again: its caller has given up
by then.
"""

from __future__ import annotations

from functools import partial

from pillion.message import Message
from pillion.outcome import Outcome, Retry
from pillion.pipeline.dispatch import Dispatch
from pillion.pipeline.steps import Plan
from pillion.ports.bridge import Release
from pillion.resilience.execution import execution_name
from pillion.resilience.inbox import Inbox
from pillion.resilience.parked import Taken
from pillion.resilience.shelf import Shelf

# Seconds for which a claim outlives the handler's time-out, and what counts as the time-out of one that has none.
_GRACE = 10.0
_UNLIMITED = 600.0


class Recovery:
    """Knows what became of one handler's messages.

    Attributes:
        address: names it on the shelf.
        lease: seconds for which a claim of the handler lasts.

    Args:
        plan: of a handler with ``once=``.
    """

    def __init__(self, plan: Plan) -> None:
        self.address = f"{plan.handler.address}/recovery"
        self.lease = (plan.handler.timeout or _UNLIMITED) + _GRACE
        self._handler = plan.handler.address
        self._window = plan.handler.once or 0.0
        self._provisions = plan.provisions
        self._shelf = plan.shelf
        self._dispatch = Dispatch(plan)
        self._now = plan.facilities.clock.now

    def inbox(self) -> Inbox:
        """Where the handler's messages are recorded."""
        return self._provisions.inbox(self._window, self.lease)

    def name(self, message: Message) -> str:
        """Of the execution for this message."""
        return execution_name(self._handler, message)

    def expired(self, message: Message) -> bool:
        """Whether nobody waits for the message any more."""
        until, expiration = message.deadline, message.expiration
        if expiration is not None and (until is None or expiration < until):
            until = expiration
        return until is not None and until.timestamp() <= self._now()

    async def finish(self, message: Message) -> bool:
        """Let leave what an execution had recorded; nothing is run. Whether anything was recorded.

        Raises:
            Again: it neither left nor could be kept.
            StoreError: the store cannot be read.
        """
        inbox = self.inbox()
        record = await inbox.find(self.name(message))
        if record is not None:
            await self._dispatch.record(inbox, record)
        return record is not None

    async def keep(self, message: Message) -> Release:
        """Put a message that is in hand on the shelf, so that the broker may forget it; what takes it off again.

        Raises:
            StoreError: it could not be kept.
        """
        shelf = self._shelf()
        id_ = await shelf.park(message, self.address, self._now() + self.lease, 1, "in hand")
        return partial(_release, shelf, id_)

    async def resume(self, taken: Taken) -> None:
        """Whoever had it in hand is gone: finish what was recorded.

        The broker may have brought it again meanwhile, and whoever has it now keeps it again.
        """
        await self.finish(taken.message)
        await self._shelf().forget(taken)


async def _release(shelf: Shelf, id_: str, outcome: Outcome) -> None:
    if not isinstance(outcome, Retry):  # the time of that one comes by itself
        await shelf.done(id_)
