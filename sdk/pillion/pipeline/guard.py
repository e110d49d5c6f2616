"""Guards around a handler: each may refuse with a failure."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from pillion.context import Context
from pillion.errors import Forbidden
from pillion.outcome import Outcome
from pillion.pipeline.steps import Plan, Step
from pillion.service.guard import Guard

Check = Callable[[Context[Any, Any], Any], Awaitable[None]]


def guarded(plan: Plan, step: Step) -> Step:
    """Run the guards that go before the handler, in their order."""
    checks = checks_of(plan, "before")
    if not checks:
        return step

    async def checked(context: Context[Any, Any]) -> Outcome:
        for check in checks:
            await check(context, context.payload)
        return await step(context)

    return checked


def checks_of(plan: Plan, when: str) -> tuple[Check, ...]:
    """The handler's guards for this moment, with the host's replacements in their places."""
    replaced = plan.facilities.guards
    guards = (replaced.get(guard.name, guard) for guard in plan.handler.guards if guard.when == when)
    return tuple(_check(guard) for guard in guards)


def _check(guard: Guard) -> Check:
    async def check(context: Context[Any, Any], payload: Any) -> None:
        verdict: Any = guard.check(context, payload)
        # Of the verdict, not of the function: a lambda or a decorator can give a coroutine too, which must not pass.
        if inspect.isawaitable(verdict):
            verdict = await verdict
        if verdict is not None and not verdict:
            raise Forbidden(reason=guard.name)

    return check
