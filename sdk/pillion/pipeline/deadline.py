"""Expired work is not begun, and a handler may not take longer than its timeout or its caller waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from types import coroutine
from typing import Any, cast

from pillion.context import Context
from pillion.errors import DeadlineExceeded
from pillion.message import Message
from pillion.outcome import Drop, Outcome
from pillion.pipeline.steps import Plan, Step
from pillion.resilience.begun import DONE, Driven, rest
from pillion.resilience.deadlines import Deadlines

# Seconds.
_AHEAD = 1.0


def deadline(plan: Plan, step: Step) -> Step:
    """Raise ``DeadlineExceeded`` when the time is over, before the handler or within it.

    Most handlers that await nothing are done at once; a timer is started only for those that are not.
    """
    limit, address = plan.handler.timeout, plan.handler.address
    deadlines, now = plan.facilities.deadlines, plan.facilities.clock.now
    over = Horizon(now).over

    # What is driven returns nothing, so the outcome is in the context.
    @coroutine
    def outcome_of(context: Context[Any, Any]) -> Generator[Any, Any, None]:
        context.outcome = yield from step(context)

    work_of = cast("Callable[[Context[Any, Any]], Driven]", outcome_of)

    @coroutine
    def limited(context: Context[Any, Any]) -> Generator[Any, Any, Outcome]:
        message = context.message
        if message.expiration is not None and over(message.expiration):
            return Drop("it expired on the way")
        if message.deadline is not None and over(message.deadline):
            raise DeadlineExceeded(where=address)
        work = work_of(context)
        waits_for = next(work, DONE)
        if waits_for is not DONE:
            seconds = _left(message, limit, now)
            going_on = rest(work, waits_for)
            yield from going_on if seconds is None else within(seconds, deadlines, going_on, address)
        return context.outcome  # type: ignore[return-value]  # the work has ended

    # What a generator of this kind makes is awaited like any coroutine; only its type says less.
    return cast("Step", limited)


def _left(message: Message, limit: float | None, now: Callable[[], float]) -> float | None:
    if message.deadline is None:
        return limit
    left = message.deadline.timestamp() - now()
    return left if limit is None else min(left, limit)


def within(seconds: float, deadlines: Deadlines, work: Driven, address: str) -> Driven:
    """Go on with the work; after ``seconds`` cancel it and raise ``DeadlineExceeded``."""
    expiry = _Expiry()
    deadlines.after(seconds, expiry)
    try:
        yield from work
    except asyncio.CancelledError:
        if expiry.over():
            raise DeadlineExceeded(where=address) from None
        raise
    finally:
        deadlines.cancel(expiry)
        expiry.forget()


class Horizon:
    """Tells whether a time is over.

    Most times are far away. They are compared with one that is a second ahead of now, which costs a third of turning
    each into seconds.

    Args:
        now: seconds since 1970-01-01 UTC.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._until = 0.0
        self._ahead = datetime.min.replace(tzinfo=UTC)

    def over(self, time: datetime) -> bool:
        """Whether this time has come."""
        now = self._now()
        if now > self._until:
            self._until = now + _AHEAD
            self._ahead = datetime.fromtimestamp(self._until, UTC)
        return time <= self._ahead and time.timestamp() <= now


class _Expiry:
    """Cancels the current task once, and remembers that it did."""

    __slots__ = ("_expired", "_task")

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        self._expired = False

    def expire(self) -> None:
        """The time is over; see ``Expiring.expire``."""
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
