"""A handler that calls others gets their answer, or that there is none, a little before its own time is over."""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any

from pillion.context import Context
from pillion.outcome import Outcome
from pillion.pipeline.steps import Plan, Step

# What a handler keeps for itself: a part of its time, and at most these seconds.
_PART = 0.05
_LONGEST = 0.5


def margin(plan: Plan, step: Step) -> Step:
    """Tell the context until when calls may take; a handler that calls nobody needs no margin."""
    if not plan.handler.calls:
        return step
    limit, now = plan.handler.timeout, plan.facilities.clock.now

    def told(context: Context[Any, Any]) -> Coroutine[Any, Any, Outcome]:
        began, deadline = now(), context.message.deadline
        times = [began + limit] if limit is not None else []
        if deadline is not None:
            times.append(deadline.timestamp())
        if times:
            end = min(times)
            context.until = datetime.fromtimestamp(end - min(_LONGEST, _PART * (end - began)), UTC)
        return step(context)

    return told
