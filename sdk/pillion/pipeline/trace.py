"""A span around each attempt of a handler, while tracing is on."""

from __future__ import annotations

from typing import Any

from pillion.context import Context
from pillion.outcome import Outcome
from pillion.pipeline.steps import Plan, Step
from pillion.ports.bridge import Kind
from pillion.service.subscription import CommandHandler


def traced(plan: Plan, step: Step) -> Step:
    """Continue the message's trace; what is raised inside is recorded."""
    tracer, address = plan.facilities.tracer, plan.handler.address
    if tracer is None:
        return step
    kind = _kind(plan)

    async def spanned(context: Context[Any, Any]) -> Outcome:
        with tracer.handling(address, kind, context.message):
            return await step(context)

    return spanned


def _kind(plan: Plan) -> Kind:
    if not isinstance(plan.handler, CommandHandler):
        return Kind.EVENT
    return Kind.COMMAND if plan.replies else Kind.SEND
