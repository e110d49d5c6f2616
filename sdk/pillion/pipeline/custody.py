"""Keeps sent commands that take long, so that they hold up no others.

Sends come in batches, one at a time, and a batch is over when all of it is handled. One that takes long is put on the
shelf, leased to this process, and acknowledged. If the process dies it is handled from there: unlike with a call,
nobody has given up on it by then.
"""

from __future__ import annotations

from functools import partial

from pillion.message import Message
from pillion.outcome import Outcome, Retry
from pillion.pipeline.steps import Plan
from pillion.ports.bridge import Release
from pillion.resilience.shelf import Shelf

# What could neither be handled nor set aside is tried again after this time. Seconds.
_AGAIN = 5.0


class Custody:
    """Keeps what one handler has in hand.

    Attributes:
        address: names it on the shelf. Not the handler's: the same message may be parked under that meanwhile.

    Args:
        plan: of the handler of a sent command.
    """

    def __init__(self, plan: Plan) -> None:
        self.address = f"{plan.handler.address}/in-hand"
        self._shelf = plan.shelf
        self._now = plan.facilities.clock.now

    async def keep(self, message: Message) -> Release:
        """Put a message that is in hand on the shelf, so that the broker may forget it; what ends that.

        Raises:
            StoreError: it could not be kept.
        """
        shelf = self._shelf()
        return partial(self._release, shelf, await shelf.keep(message, self.address), message)

    async def _release(self, shelf: Shelf, id_: str, message: Message, outcome: Outcome) -> None:
        if isinstance(outcome, Retry):
            await shelf.again(id_, self._now() + _AGAIN, message.attempt, outcome.reason)
        else:
            await shelf.done(id_)
