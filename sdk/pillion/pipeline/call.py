"""Call the user's function, check what it answers, and let what it held leave."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from functools import partial
from typing import Any

from pydantic import ValidationError

from pillion.context import Context, Sending
from pillion.errors import PillionError
from pillion.outcome import Ack, Outcome, Reply
from pillion.pipeline.guard import checks_of
from pillion.pipeline.leaving import leaving
from pillion.pipeline.steps import Plan, Step
from pillion.service.signature import Signature
from pillion.service.subscription import CommandHandler

Invoke = Callable[[Context[Any, Any]], Awaitable[Any]]


class InvalidOutput(PillionError):
    """A handler answered what its contract does not allow."""


def call(plan: Plan) -> Step:
    """The innermost step: the function, its answer, and the messages that were held."""
    return _command(plan, plan.handler) if isinstance(plan.handler, CommandHandler) else _reaction(plan)


def _reaction(plan: Plan) -> Step:
    invoke, leave = _guarded(plan), leaving(plan)
    once, done = plan.handler.once is not None, Ack()

    async def react(context: Context[Any, Any]) -> Outcome:
        await invoke(context)
        if once or context.held:
            await leave(context, None)
        return done

    return react


def _command(plan: Plan, handler: CommandHandler) -> Step:
    invoke, transform = _guarded(plan), _transform_out(handler)
    leave, outbound, output = leaving(plan), plan.outbound, handler.command.output
    events = tuple(_result_events(handler))
    address, pack = handler.address, output.pack
    once, replies, done = handler.once is not None, plan.replies, Ack()

    async def execute(context: Context[Any, Any]) -> Outcome:
        result = await invoke(context)
        if transform is not None:
            result = await transform(result)
        try:
            packed = pack(result)
        except TypeError as error:
            raise InvalidOutput(f"{address} answered what its contract does not allow: {error}") from error
        for event in events:
            options = Sending(None if event.key is not None else context.message.subject)
            context._hold(outbound.emit(event, result, context.message, options))  # noqa: SLF001
        if once or context.held:
            # A sent command has an answer too, for those who call it with the same idempotency key.
            await leave(context, outbound.answer(context.message, output, packed) if once else None)
        return Reply(outbound.answer(context.message, output, packed)) if replies else done

    return execute


def _result_events(handler: CommandHandler) -> list[Any]:
    command = handler.command
    announced = [command.succeeded] if command.announced else []
    return [command.emits_result, *announced] if command.emits_result is not None else announced


def _transform_out(handler: CommandHandler) -> Callable[[Any], Awaitable[Any]] | None:
    transform, given = handler.transform_out, handler.handler_output
    if transform is None or given is None:
        return None

    async def transformed(result: Any) -> Any:
        try:
            made = transform(given.check(result))
        except ValidationError as error:
            raise InvalidOutput(f"{handler.address} answered what its transform does not take: {error}") from error
        return await made if inspect.isawaitable(made) else made

    return transformed


def _guarded(plan: Plan) -> Invoke:
    """The function, and the guards after it, which are given what it returned."""
    invoke, checks = _invoke(plan), checks_of(plan, "after")
    if not checks:
        return invoke

    async def invoked(context: Context[Any, Any]) -> Any:
        result = await invoke(context)
        for check in checks:
            await check(context, result)
        return result

    return invoked


def _invoke(plan: Plan) -> Invoke:
    function, signature = plan.handler.function, plan.handler.signature
    arguments = _arguments(signature)
    if not signature.is_async:
        return _in_thread(plan, function, arguments)
    if arguments is _payload:
        return lambda context: function(context.payload)
    if arguments is _context_payload:
        return lambda context: function(context, context.payload)
    return lambda context: function(*arguments(context))


def _in_thread(plan: Plan, function: Callable[..., Any], arguments: Callable[[Context[Any, Any]], Any]) -> Invoke:
    threads = plan.facilities.threads.of(plan.handler.address, plan.handler.concurrency)

    async def invoke(context: Context[Any, Any]) -> Any:
        run = partial(copy_context().run, function, *arguments(context))
        made = await asyncio.get_running_loop().run_in_executor(threads, run)
        # A function around an ``async`` one gives its coroutine, and nothing is done yet.
        return await made if inspect.isawaitable(made) else made

    return invoke


def _arguments(signature: Signature) -> Callable[[Context[Any, Any]], tuple[Any, ...]]:
    if not signature.takes_payload:
        return _context if signature.takes_context else _nothing
    if not signature.takes_context:
        return _payload
    return _context_payload if signature.context_first else _payload_context


def _nothing(_: Context[Any, Any]) -> tuple[Any, ...]:
    return ()


def _context(context: Context[Any, Any]) -> tuple[Any, ...]:
    return (context,)


def _payload(context: Context[Any, Any]) -> tuple[Any, ...]:
    return (context.payload,)


def _context_payload(context: Context[Any, Any]) -> tuple[Any, ...]:
    return (context, context.payload)


def _payload_context(context: Context[Any, Any]) -> tuple[Any, ...]:
    return (context.payload, context)
