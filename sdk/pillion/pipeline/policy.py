"""Every exception becomes an outcome here: an answer for a caller, or a decision about the message.

``sys.exit()`` in a handler is its failure too: one message must not end the process that handles all.
"""

from __future__ import annotations

import asyncio
from typing import Any

from pillion.context import Context
from pillion.errors import BridgeError, Failure, SidecarError, StoreError, Unavailable, UndeclaredError
from pillion.outcome import DeadLetter, Outcome, Reply, Retry, Verdict
from pillion.pipeline.announcement import announcement
from pillion.pipeline.call import InvalidOutput
from pillion.pipeline.dispatch import Again
from pillion.pipeline.failures import wire_failure
from pillion.pipeline.steps import Plan, Step

# Trying these again cannot help: the code or the declaration has to change.
_HOPELESS = (InvalidOutput, UndeclaredError)


class Failed(Retry):
    """Another attempt because of what was raised, its cause, which chooses the policy; no decision of the handler's."""


def policy(plan: Plan, step: Step) -> Step:
    """Let nothing but an outcome out."""
    if plan.replies:
        return _answering(plan, step)
    return _deciding(plan, step)


def _answering(plan: Plan, step: Step) -> Step:
    address, log, outbound = plan.handler.address, plan.facilities.log, plan.outbound
    announce = announcement(plan)

    async def answer(context: Context[Any, Any]) -> Outcome:
        try:
            return await step(context)
        except Failure as failure:
            found = failure
        except Again as again:
            return again
        except Verdict as verdict:
            found = _unavailable(verdict)
        except asyncio.CancelledError as error:
            found = wire_failure(_own_fault(error), context.message)
            log.error("handler failed", handler=address, exc_info=error, **_ids(context))
        except (Exception, SystemExit) as error:
            found = wire_failure(error, context.message)
            log.error("handler failed", handler=address, exc_info=error, **_ids(context))
        # What was committed has announced its success.
        if announce is not None and not (context.once is not None and context.once.committed):
            try:
                await announce(context.message, found)
            except (BridgeError, SidecarError, StoreError) as error:
                log.error("failure could not be announced", handler=address, reason=str(error))
        return Reply(outbound.failure(context.message, found))

    return answer


def _deciding(plan: Plan, step: Step) -> Step:
    address, log, retries = plan.handler.address, plan.facilities.log, plan.retries

    async def decide(context: Context[Any, Any]) -> Outcome:
        try:
            return await step(context)
        except Verdict as verdict:
            return verdict  # type: ignore[return-value]  # Verdict's subclasses are Retry, Drop and DeadLetter
        except Failure as failure:
            if failure.retryable or retries.named(failure):
                return _because(Failed(str(failure)), failure)
            return _because(DeadLetter(str(failure)), failure)
        except _HOPELESS as error:
            log.error("handler failed", handler=address, exc_info=error, **_ids(context))
            return _because(DeadLetter(str(error)), error)
        except BridgeError as error:
            return _because(Failed(str(error)), error)
        except asyncio.CancelledError as error:
            fault = _own_fault(error)
            log.error("handler failed", handler=address, exc_info=error, **_ids(context))
            return _because(Failed(str(fault)), fault)
        except (Exception, SystemExit) as error:
            log.error("handler failed", handler=address, exc_info=error, **_ids(context))
            return _because(Failed(f"{type(error).__name__}: {error}"), error)

    return decide


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
