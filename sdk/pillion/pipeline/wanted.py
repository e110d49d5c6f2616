"""A subscription's filter: what it does not want is acknowledged without a look at its data."""

from __future__ import annotations

from typing import Any

from pillion.context import Context
from pillion.outcome import Ack, Outcome
from pillion.pipeline.steps import Plan, Step
from pillion.service.subscription import Subscription

# What is not wanted says nothing about how the subscription fares.
UNWANTED = Ack()


def wanted(plan: Plan, step: Step) -> Step:
    """Let only those messages through that match ``where``."""
    where = plan.handler.where if isinstance(plan.handler, Subscription) else None
    if where is None:
        return step
    matches = where.matches

    async def filtered(context: Context[Any, Any]) -> Outcome:
        return await step(context) if matches(context.message) else UNWANTED

    return filtered
