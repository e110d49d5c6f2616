"""One limit for all executions of a handler: called, sent, delivered, or parked and taken up again."""

from __future__ import annotations

from asyncio import Semaphore
from typing import Any

from pillion.context import Context
from pillion.outcome import Outcome
from pillion.pipeline.steps import Step
from pillion.service.build import DEFAULT_CONCURRENCY
from pillion.service.subscription import Handler


def slots_of(handler: Handler) -> Semaphore | None:
    """The handler's slots, taken in turn; None when it did not ask for any number.

    Then each way in has its own default limit, and no message pays for a common one.
    """
    return None if handler.concurrency == DEFAULT_CONCURRENCY else Semaphore(handler.concurrency)


def bounded(step: Step, slots: Semaphore | None) -> Step:
    """Wait for a slot before each attempt; waits between attempts take none."""
    if slots is None:
        return step

    async def in_turn(context: Context[Any, Any]) -> Outcome:
        async with slots:
            return await step(context)

    return in_turn
