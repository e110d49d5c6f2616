"""Every exception becomes an outcome here: an answer for a caller, or a decision about the message.

``sys.exit()`` in a handler is its failure too: one message must not end the process that handles all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

from pillion.context import Context, Scope
from pillion.errors import BridgeError, Failure, SidecarError, StoreError, Unavailable, UndeclaredError
from pillion.flow import Handle
from pillion.message import Message
from pillion.outcome import DeadLetter, Outcome, Reply, Retry, Verdict
from pillion.pipeline.announcement import announcement
from pillion.pipeline.call import InvalidOutput
from pillion.pipeline.dispatch import Again
from pillion.pipeline.failures import wire_failure
from pillion.pipeline.steps import Plan, Step


class Failed(Retry):
    """Another attempt because of what was raised, its cause, which chooses the policy; no decision of the handler's."""


Decide: TypeAlias = Callable[[Context[Any, Any], BaseException], Outcome]


def replying(plan: Plan, scope: Scope, step: Step) -> Handle:
    """Handle a command that is called: whatever happens, there is a reply."""
    address, log, outbound = plan.handler.address, plan.facilities.log, plan.outbound
    announce = announcement(plan)

    async def answer(message: Message) -> Outcome:
        context: Context[Any, Any] = Context(scope, message)
        try:
            return await step(context)
        except Failure as failure:
            found = failure
        except Again as again:
            return again
        except Verdict as verdict:
            found = _unavailable(verdict)
        except asyncio.CancelledError as error:
            found = wire_failure(_own_fault(error), message)
            log.error("handler failed", handler=address, exc_info=error, **_ids(context))
        except (Exception, SystemExit) as error:
            found = wire_failure(error, message)
            log.error("handler failed", handler=address, exc_info=error, **_ids(context))
        # What was committed has announced its success.
        if announce is not None and not (context.once is not None and context.once.committed):
            try:
                await announce(message, found)
            except (BridgeError, SidecarError, StoreError) as error:
                log.error("failure could not be announced", handler=address, reason=str(error))
        return Reply(outbound.failure(message, found))

    return answer


def deciding(plan: Plan) -> Decide:
    """What an exception says about its message; one that says nothing, such as a cancellation, is raised again."""
    address, log, retries = plan.handler.address, plan.facilities.log, plan.retries

    def decide(context: Context[Any, Any], error: BaseException) -> Outcome:
        match error:
            case Verdict():
                return error  # type: ignore[return-value]  # Verdict's subclasses are Retry, Drop and DeadLetter
            case Failure():
                failed = error.retryable or retries.named(error)
                return _because(Failed(str(error)) if failed else DeadLetter(str(error)), error)
            case BridgeError():
                return _because(Failed(str(error)), error)
            case asyncio.CancelledError():
                fault = _own_fault(error)
                outcome = _because(Failed(str(fault)), fault)
            case UndeclaredError() | InvalidOutput():  # trying again cannot help: the code has to change
                outcome = _because(DeadLetter(str(error)), error)
            case Exception() | SystemExit():
                outcome = _because(Failed(f"{type(error).__name__}: {error}"), error)
            case _:
                raise error
        log.error("handler failed", handler=address, exc_info=error, **_ids(context))
        return outcome

    return decide


def decided(step: Step, decide: Decide) -> Step:
    """Let nothing but an outcome out."""

    async def outcome(context: Context[Any, Any]) -> Outcome:
        try:
            return await step(context)
        except BaseException as error:  # noqa: BLE001 - what is not for us to decide is raised again
            return decide(context, error)

    return outcome


def _own_fault(error: asyncio.CancelledError) -> Exception:
    """A cancellation that nobody asked of this task: the handler awaited something that was cancelled.

    Raises:
        asyncio.CancelledError: somebody did ask; then the work is over.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise error
    return RuntimeError("the handler awaited something that was cancelled")


def _because(verdict: Failed | DeadLetter, cause: BaseException) -> Outcome:
    verdict.__cause__ = cause
    return verdict


def _unavailable(verdict: Verdict) -> Failure:
    return Unavailable(reason=verdict.reason)


def _ids(context: Context[Any, Any]) -> dict[str, Any]:
    message = context.message
    return {"message_id": message.id, "correlation_id": message.correlation_id or message.id}
