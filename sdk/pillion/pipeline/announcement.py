"""Tells others that an announced command failed; that it succeeded leaves with the handler's own messages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from pillion.context import Sending
from pillion.errors import BridgeError, Failure
from pillion.message import Message
from pillion.pipeline.failures import report
from pillion.pipeline.steps import Plan
from pillion.service.subscription import CommandHandler

# Takes the request and the failure. Raises a BridgeError or a StoreError when the event neither left nor could be kept.
Announce: TypeAlias = Callable[[Message, Failure], Awaitable[None]]


def announcement(plan: Plan) -> Announce | None:
    """What publishes the command's ``failed`` event; None where the command is not announced.

    When the event cannot leave it is kept on the service's shelf until it can.
    """
    handler, outbound, provisions = plan.handler, plan.outbound, plan.provisions
    if not isinstance(handler, CommandHandler) or not handler.command.announced:
        return None
    event, publish, log, now = (
        handler.command.failed, plan.facilities.bridge.publish, plan.facilities.log, plan.facilities.clock.now,
    )  # fmt: skip

    async def announce(request: Message, failure: Failure) -> None:
        outgoing = outbound.emit(event, report(failure), request, Sending(request.subject))
        try:
            await publish([outgoing])
        except BridgeError as error:
            if provisions.shelf is None:
                raise
            log.warning("messages wait on the shelf", handler=handler.address, reason=str(error))
            await provisions.shelf.post(outgoing, now())

    return announce
