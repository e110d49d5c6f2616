"""Expired work is not begun, and a handler may not take longer than its timeout or its caller waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Generator
from types import coroutine
from typing import Any, TypeVar, cast

from pillion.context import Context
from pillion.errors import DeadlineExceeded
from pillion.outcome import Drop, Outcome
from pillion.pipeline.steps import Plan, Step
from pillion.resilience.deadlines import Deadlines

T = TypeVar("T")


def deadline(plan: Plan, step: Step) -> Step:
    """Raise ``DeadlineExceeded`` when the time is over, before the handler or within it."""
    limit = plan.handler.timeout
    address = plan.handler.address
    deadlines, now = plan.facilities.deadlines, plan.facilities.clock.now

    # Not ``async``: on the way of every message, so it hands its work on instead of awaiting it.
    def limited(context: Context[Any, Any]) -> Awaitable[Outcome]:
        message = context.message
        seconds = limit
        if message.expiration is not None and message.expiration.timestamp() <= now():
            return _expired()
        if message.deadline is not None:
            left = message.deadline.timestamp() - now()
            if left <= 0:
                raise DeadlineExceeded(where=address)
            seconds = left if limit is None or left < limit else limit
        if seconds is None:
            return step(context)
        return within(seconds, deadlines, step(context), address)

    # What ``within`` makes is awaited like any coroutine; only its type says less.
    return cast("Step", limited)


async def _expired() -> Outcome:
    return Drop("it expired on the way")


@coroutine
def within(seconds: float, deadlines: Deadlines, work: Coroutine[Any, Any, T], address: str) -> Generator[Any, Any, T]:
    """Await the work; after ``seconds`` cancel it and raise ``DeadlineExceeded``.

    Most handlers that await nothing are done at once; a timer is started only for those that are not. That is why
    this drives the coroutine itself, as ``await`` would.
    """
    try:
        waiting = work.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    expiry = _Expiry()
    token = deadlines.after(seconds, expiry)
    try:
        while True:
            try:
                sent = yield waiting
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is the work's to handle
                waiting = work.throw(error)
            else:
                waiting = work.send(sent)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    except asyncio.CancelledError:
        if expiry.over():
            raise DeadlineExceeded(where=address) from None
        raise
    finally:
        deadlines.cancel(token)
        expiry.forget()


class _Expiry:
    """Cancels the current task once, and remembers that it did."""

    __slots__ = ("_expired", "_task")

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        self._expired = False

    def __call__(self) -> None:
        self._expired = True
        if self._task is not None:
            self._task.cancel()

    def over(self) -> bool:
        """Whether the cancellation that arrived is this one, and the only one."""
        return self._expired and self._task is not None and self._task.cancelling() == 1

    def forget(self) -> None:
        """Take the cancellation back; the task goes on with other work, also when the handler did not mind it."""
        if self._expired and self._task is not None:
            self._task.uncancel()
