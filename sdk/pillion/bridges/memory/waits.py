"""Who waits for a reply, and how long."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from pillion.bridges.memory.lane import Delivery
from pillion.message import Message
from pillion.ports.clock import Clock
from pillion.resilience.deadlines import Deadlines


class Waits:
    """The deadlines of requests. Most are answered in the next turn of the event loop; only the others need a timer.

    Args:
        clock: tells the time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._deadlines = Deadlines()
        self._new: list[tuple[Message, Delivery]] = []
        self.end = self._deadlines.cancel

    def begin(self, message: Message, delivery: Delivery) -> None:
        """Let the wait for the reply end with the message's deadline."""
        if not self._new:
            self._loop.call_soon(self._look)
        self._new.append((message, delivery))

    def close(self) -> None:
        """Forget all deadlines."""
        self._new.clear()
        self._deadlines.close()

    def _look(self) -> None:
        new, self._new = self._new, []
        for message, delivery in new:
            if message.deadline is not None and delivery.reply is not None and not delivery.reply.done():
                # From when it was made, which is just now: a test's clock may stand still or jump.
                made = message.time or datetime.fromtimestamp(self._clock.now(), UTC)
                self._deadlines.after((message.deadline - made).total_seconds(), delivery)
