"""Messages that wait longer than the app may hold them are parked on the service's shelf; the keeper takes them off."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from pillion.errors import SidecarError, StoreError
from pillion.message import Message
from pillion.outcome import Ack, DeadLetter, Outcome, Retry
from pillion.pipeline.steps import Plan
from pillion.resilience.parked import Taken
from pillion.resilience.shelf import Shelf
from pillion.service.subscription import Subscription


class Parking:
    """Puts one handler's messages on the shelf.

    Args:
        plan: the handler's.
        key: ordering key of a message, or None.
    """

    def __init__(self, plan: Plan, key: Callable[[Message], str | None] | None) -> None:
        self._address = plan.handler.address
        self._log = plan.facilities.log
        self._now = plan.facilities.clock.now
        self._longest_wait = plan.facilities.longest_wait
        self._bridge = plan.facilities.bridge
        self._provisions = plan.provisions
        self._key = key
        self._broadcast = isinstance(plan.handler, Subscription) and plan.handler.broadcast

    @property
    def _shelf(self) -> Shelf | None:
        # The shelf is shared by all instances, and a broadcast is for this one.
        return None if self._broadcast else self._provisions.shelf

    @property
    def possible(self) -> bool:
        """Whether messages can be parked at all."""
        return self._shelf is not None

    @property
    def patience(self) -> float:
        """Seconds for which a message may wait in the app; what cannot be parked has no other place."""
        return min(self._longest_wait, self._bridge.longest_hold) if self.possible else self._longest_wait

    async def behind(self, message: Message) -> Outcome | None:
        """Park it when an earlier message of its key is parked, so that it has to wait for that; None when not."""
        shelf, key = self._shelf, self._key_of(message)
        if shelf is None or key is None:
            return None
        try:
            if not await shelf.waits(self._address, key):
                return None
        except (SidecarError, StoreError) as error:
            self._log.error("the shelf could not be read", handler=self._address, reason=str(error))
            return Retry(str(error))
        return await self.hold(message, 0.0, "an earlier message of its key waits")

    async def later(self, message: Message, outcome: Retry, wait: float) -> Outcome:
        """Park it for its next attempt; without a shelf that is a dead letter."""
        if self._shelf is None:
            why = "a broadcast is not parked" if self._broadcast else "the service has no state store to park it in"
            verdict = DeadLetter(f"it has to wait {wait:g} s, and {why}")
            verdict.__cause__ = outcome.__cause__
            return verdict
        again = replace(message, attempt=message.attempt + 1)
        return await self.hold(again, self._now() + wait, outcome.reason)

    async def hold(self, message: Message, due: float, reason: str) -> Outcome:
        """Park it; when that fails the broker keeps it."""
        shelf = self._shelf
        if shelf is None:
            return Retry(reason)
        try:
            await shelf.park(message, self._address, due, message.attempt, reason, self._key_of(message))
        except (SidecarError, StoreError) as error:
            self._log.error("message could not be parked", handler=self._address, reason=str(error))
            return Retry(str(error))
        self._tell(message, due, reason)
        return Ack()

    async def again(self, taken: Taken, message: Message, wait: float, reason: str) -> None:
        """Put a message back for its next attempt."""
        await self.back(taken, replace(message, attempt=message.attempt + 1), self._now() + wait, reason)

    async def back(self, taken: Taken, message: Message, due: float, reason: str) -> None:
        """Put a message back as it is."""
        if self._provisions.shelf is not None:
            await self._provisions.shelf.again(taken.id, due, message.attempt, reason)
        self._tell(message, due, reason)

    async def begin(self, taken: Taken) -> None:
        """Its handler begins now."""
        if self._provisions.shelf is not None:
            await self._provisions.shelf.begin(taken)

    async def done(self, taken: Taken) -> None:
        """Forget a message that is done with."""
        if self._provisions.shelf is not None:
            await self._provisions.shelf.forget(taken)

    def _key_of(self, message: Message) -> str | None:
        return None if self._key is None else self._key(message)

    def _tell(self, message: Message, due: float, reason: str) -> None:
        self._log.warning(
            "message parked", handler=self._address, message_id=message.id, attempt=message.attempt,
            wait_seconds=round(max(0.0, due - self._now()), 3), reason=reason,
        )  # fmt: skip
