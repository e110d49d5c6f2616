"""Make whole, decode, transform in, validate: bytes on the wire become what the handler takes."""

from __future__ import annotations

import inspect
from collections.abc import Coroutine
from typing import Any

from pydantic import ValidationError

from pillion.context import Context
from pillion.errors import InvalidInput
from pillion.outcome import DeadLetter, Outcome
from pillion.pipeline.claimcheck import claimed
from pillion.pipeline.steps import Plan, Step


def validate(plan: Plan, step: Step) -> Step:
    """Fill ``context.payload``; when the data do not fit, a caller gets ``InvalidInput``.

    Without a caller that is poison, and set aside at once: whatever policy the handler has, no attempt makes it valid.
    A message that left its payload in the claims store gets it back before, also for a handler that takes none.
    """
    if not plan.handler.signature.takes_payload:
        return claimed(plan, step)
    decode, replies = plan.handler.input.decode, plan.replies
    if plan.handler.transform_in is not None:
        step = _transformed(plan, step)

    def validated(context: Context[Any, Any]) -> Coroutine[Any, Any, Outcome]:
        message = context.message
        if message.claim is not None:
            return whole(context)
        try:
            context.payload = decode(message)
        except InvalidInput as error:
            if replies:
                raise
            raise DeadLetter(str(error)) from error
        return step(context)

    whole = claimed(plan, validated)
    return validated


def _transformed(plan: Plan, step: Step) -> Step:
    transform, target = plan.handler.transform_in, plan.handler.handler_input
    if transform is None or target is None:
        return step
    check, replies = target.check, plan.replies

    async def transformed(context: Context[Any, Any]) -> Outcome:
        try:
            made = transform(context.payload)
            context.payload = check(await made if inspect.isawaitable(made) else made)
        except ValidationError as error:
            invalid = InvalidInput.of(error)
            if replies:
                raise invalid from None
            raise DeadLetter(str(invalid)) from invalid
        return await step(context)

    return transformed
