"""Decode, transform in, validate: bytes on the wire become what the handler takes."""

from __future__ import annotations

import inspect
from collections.abc import Coroutine
from typing import Any

from pydantic import ValidationError

from pillion.context import Context
from pillion.errors import InvalidInput
from pillion.outcome import Outcome
from pillion.pipeline.steps import Plan, Step


def validate(plan: Plan, step: Step) -> Step:
    """Fill ``context.payload``; raises ``InvalidInput`` when the data do not fit."""
    if not plan.handler.signature.takes_payload:
        return step
    decode = plan.handler.input.decode
    if plan.handler.transform_in is not None:
        step = _transformed(plan, step)

    def validated(context: Context[Any, Any]) -> Coroutine[Any, Any, Outcome]:
        context.payload = decode(context.message)
        return step(context)

    return validated


def _transformed(plan: Plan, step: Step) -> Step:
    transform, target = plan.handler.transform_in, plan.handler.handler_input
    if transform is None or target is None:
        return step
    check = target.check

    async def transformed(context: Context[Any, Any]) -> Outcome:
        made = transform(context.payload)
        try:
            context.payload = check(await made if inspect.isawaitable(made) else made)
        except ValidationError as error:
            raise InvalidInput.of(error) from None
        return await step(context)

    return transformed
