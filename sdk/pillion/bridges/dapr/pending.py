"""Calls that wait for their replies."""

from __future__ import annotations

import asyncio
from functools import partial

from pillion.errors import DeadlineExceeded, Unavailable
from pillion.message import Message
from pillion.ports.clock import Clock
from pillion.resilience.deadlines import Deadlines


class Pending:
    """Replies by the id of their request. Late, duplicate and foreign replies find nobody and are discarded.

    Args:
        clock: tells the time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._deadlines = Deadlines()
        self._waiting: dict[str, asyncio.Future[Message]] = {}

    def expect(self, request: Message) -> asyncio.Future[Message]:
        """The reply to this request, or ``DeadlineExceeded`` when its deadline has passed."""
        reply: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[request.id] = reply
        reply.add_done_callback(partial(self._forget, request.id))
        if request.deadline is not None:
            left = request.deadline.timestamp() - self._clock.now()
            wait = _Wait(reply, request.type)
            self._deadlines.after(left, wait)
            reply.add_done_callback(lambda _: self._deadlines.cancel(wait))
        return reply

    def arrived(self, reply: Message) -> bool:
        """Hand a reply to whoever waits for it; False when nobody does."""
        waiting = self._waiting.get(reply.causation_id or "")
        if waiting is None or waiting.done():
            return False
        waiting.set_result(reply)
        return True

    def close(self) -> None:
        """Give up on all."""
        for waiting in list(self._waiting.values()):
            if not waiting.done():
                waiting.set_exception(Unavailable(reason="this process is stopping"))
        self._deadlines.close()

    def _forget(self, request_id: str, _: object) -> None:
        self._waiting.pop(request_id, None)


class _Wait:
    """For a reply, as long as there is time."""

    __slots__ = ("_reply", "_where")

    def __init__(self, reply: asyncio.Future[Message], where: str) -> None:
        self._reply = reply
        self._where = where

    def expire(self) -> None:
        """No reply came in time; see ``Expiring.expire``."""
        if not self._reply.done():
            self._reply.set_exception(DeadlineExceeded(where=self._where))
