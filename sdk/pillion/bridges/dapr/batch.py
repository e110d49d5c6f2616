"""The messages of one delivery, and what became of each."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pillion.bridges.dapr.wire import RETRY, SUCCESS
from pillion.message import Message
from pillion.outcome import Ack, Outcome, Retry
from pillion.ports.bridge import Release


class Batch:
    """Waits until all handlers of its messages are done.

    Attributes:
        statuses: of each message, as far as that is known.
        in_hand: messages that are not settled, by their place, where that is of interest.
        kept: what ends the custody of a message, by its place.

    Args:
        size: how many messages it has.
    """

    __slots__ = ("_done", "_left", "_unsettled", "in_hand", "kept", "statuses")

    def __init__(self, size: int) -> None:
        self.statuses = [SUCCESS] * size
        self._left = 0
        self._unsettled = [0] * size
        self.in_hand: dict[int, Message] = {}
        self.kept: dict[int, Release] = {}
        self._done: asyncio.Future[None] | None = None

    def expect(self, handlers: list[int]) -> None:
        """Say how many handlers get each message."""
        self._unsettled = handlers
        self._left = sum(handlers)

    def settle(self, index: int, outcome: Outcome) -> None:
        """One handler is done with one message; a retry by any of them makes the whole message one.

        Dead letters are published by us before, so only a retry is not success.
        """
        if type(outcome) is not Ack and isinstance(outcome, Retry):
            self.statuses[index] = RETRY
        self._left -= 1
        self._unsettled[index] -= 1
        if not self._left:
            self._answer()

    def give_up(self) -> None:
        """Nobody goes on with it: what is not settled is asked for again."""
        self.statuses = [RETRY if left else status for left, status in zip(self._unsettled, self.statuses, strict=True)]
        self._answer()

    def _answer(self) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_result(None)

    async def settled(self) -> Sequence[str]:
        """The status of each message, once all are handled."""
        if self._left:
            self._done = asyncio.get_running_loop().create_future()
            await self._done
        return self.statuses
