"""Claim check: what is too large for a broker leaves without its payload, and is made whole before it is read.

Only the handler sees a message whole. What is retried, parked or set aside is the message as it came, with its claim.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any, cast

from pillion.context import Context
from pillion.errors import BridgeError, Unavailable
from pillion.flow import Handle
from pillion.message import Message
from pillion.outcome import Outcome, Reply
from pillion.pipeline.steps import Plan, Step
from pillion.ports.around import BridgeAround
from pillion.ports.bridge import Bridge, Outgoing
from pillion.resilience.claims import Claims


class ClaimingBridge(BridgeAround):
    """Another bridge; payloads that are too large stay in the claims store.

    Args:
        bridge: the one that moves the messages.
        claims: where payloads are left.
    """

    def __init__(self, bridge: Bridge, claims: Claims) -> None:
        super().__init__(bridge)
        self._claims = claims

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        """Hand messages over once their payloads are stored; see ``Bridge.publish``."""
        await self._bridge.publish(await lightened(messages, self._claims))

    async def request(self, topic: str, message: Message) -> Message:
        """Send a command once its payload is stored, and wait for its reply; see ``Bridge.request``."""
        return await self._bridge.request(topic, await self._claims.leave(message))


async def lightened(messages: Sequence[Outgoing], claims: Claims) -> Sequence[Outgoing]:
    """The messages as they may leave now; those that leave later keep their payload until then.

    Raises:
        BridgeError: a payload could not be stored.
    """
    if claims.limit is None:
        return messages
    return [
        outgoing if outgoing.due is not None else outgoing._replace(message=await claims.leave(outgoing.message))
        for outgoing in messages
    ]


def claimed(plan: Plan, step: Step) -> Step:
    """Fetch the payload of a message that has a claim; raises ``Unavailable`` when that cannot be."""
    claims = plan.facilities.claims

    async def fetched(context: Context[Any, Any]) -> Outcome:
        context.message = await claims.fetch(context.message)
        return await step(context)

    # Not ``async``: on the way of every message, so it hands its work on instead of awaiting it.
    def whole(context: Context[Any, Any]) -> Awaitable[Outcome]:
        return step(context) if context.message.claim is None else fetched(context)

    return cast("Step", whole)


def answering(plan: Plan, handle: Handle) -> Handle:
    """Leave an answer that is too large in the claims store.

    Only pillion's own callers, which have a deadline, can fetch it; plain HTTP gets the answer itself.
    """
    claims, outbound = plan.facilities.claims, plan.outbound
    if claims.limit is None:
        return handle

    async def answer(message: Message) -> Outcome:
        outcome = await handle(message)
        if not isinstance(outcome, Reply) or message.deadline is None:
            return outcome
        try:
            return Reply(await claims.leave(outcome.message))
        except BridgeError as error:
            return Reply(outbound.failure(message, Unavailable(reason=str(error))))

    return answer
