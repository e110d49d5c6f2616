"""A subscription's filter, checked in process whether or not Dapr checked it already."""

from __future__ import annotations

from typing import Any

from pillion.context import Context
from pillion.outcome import Ack, Outcome
from pillion.pipeline.steps import Plan, Step
from pillion.service.subscription import Subscription


def filtered(plan: Plan, step: Step) -> Step:
    """Leave alone what the subscription does not want; a condition that raises is a failing handler."""
    handler = plan.handler
    if not isinstance(handler, Subscription) or handler.where is None:
        return step
    matches, ignored = handler.where.matches, Ack()

    async def wanted(context: Context[Any, Any]) -> Outcome:
        return await step(context) if matches(context.message) else ignored

    return wanted
