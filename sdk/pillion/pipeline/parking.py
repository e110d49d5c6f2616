"""Messages that wait longer than the app may hold them: parked on the service's shelf, and taken from it again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from msgspec.structs import replace

from pillion.errors import BridgeError, SidecarError, StoreError
from pillion.message import Message
from pillion.outcome import Ack, DeadLetter, Outcome, Retry
from pillion.pipeline.facilities import Facilities
from pillion.pipeline.steps import Plan
from pillion.ports.bridge import Outgoing
from pillion.resilience.shelf import Shelf, Taken
from pillion.resilience.workers import Workers
from pillion.service.subscription import Subscription

Resume: TypeAlias = Callable[[Taken], Awaitable[None]]

# How often the shelf is looked at for what other instances and the command line put there. Seconds.
_LOOK = 2.0
_SOON = 0.01
# A message that could not leave is tried again after this time. Seconds.
_NOT_LEFT = 5.0


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
        self._provisions = plan.provisions
        self._key = key
        self._broadcast = isinstance(plan.handler, Subscription) and plan.handler.broadcast

    @property
    def _shelf(self) -> Shelf | None:
        # The shelf is shared by all instances, and a broadcast is for this one.
        return None if self._broadcast else self._provisions.shelf

    def behind(self, message: Message) -> bool:
        """Whether an earlier message of the same key is parked, so that this one has to wait for it."""
        shelf, key = self._shelf, self._key_of(message)
        return shelf is not None and key is not None and shelf.waiting(self._address, key)

    async def later(self, message: Message, outcome: Retry, wait: float) -> Outcome:
        """Park it for its next attempt; without a shelf that is a dead letter."""
        if self._shelf is None:
            why = "a broadcast is not parked" if self._broadcast else "the service has no state store to park it in"
            verdict = DeadLetter(f"it has to wait {wait:g} s, and {why}")
            verdict.__cause__ = outcome.__cause__
            return verdict
        again = replace(message, attempt=(message.attempt or 1) + 1)
        return await self.hold(again, self._now() + wait, outcome.reason)

    async def hold(self, message: Message, due: float, reason: str) -> Outcome:
        """Park it; when that fails the broker keeps it."""
        shelf = self._shelf
        if shelf is None:
            return Retry(reason)
        try:
            await shelf.park(message, self._address, due, message.attempt or 1, reason, self._key_of(message))
        except (SidecarError, StoreError) as error:
            self._log.error("message could not be parked", handler=self._address, reason=str(error))
            return Retry(str(error))
        self._tell(message, due, reason)
        return Ack()

    async def again(self, taken: Taken, message: Message, wait: float, reason: str) -> None:
        """Put a message back for its next attempt."""
        await self.back(taken, replace(message, attempt=(message.attempt or 1) + 1), self._now() + wait, reason)

    async def back(self, taken: Taken, message: Message, due: float, reason: str) -> None:
        """Put a message back as it is."""
        if self._provisions.shelf is not None:
            await self._provisions.shelf.again(taken.id, due, message.attempt or 1, reason)
        self._tell(message, due, reason)

    async def done(self, taken: Taken) -> None:
        """Forget a message that is done with."""
        if self._provisions.shelf is not None:
            await self._provisions.shelf.done(taken.id)

    def _key_of(self, message: Message) -> str | None:
        return None if self._key is None else self._key(message)

    def _tell(self, message: Message, due: float, reason: str) -> None:
        self._log.warning(
            "message parked", handler=self._address, message_id=message.id, attempt=message.attempt or 1,
            wait_seconds=round(max(0.0, due - self._now()), 3), reason=reason,
        )  # fmt: skip


class Keeper:
    """Takes from one service's shelf what is due: to its handler, or out to its topic.

    Args:
        shelf: of the service.
        handlers: by address.
        facilities: of the host.
    """

    def __init__(self, shelf: Shelf, handlers: Mapping[str, Resume], facilities: Facilities) -> None:
        self._shelf = shelf
        self._handlers = handlers
        self._clock = facilities.clock
        self._log = facilities.log
        self._publish = facilities.bridge.publish
        self._workers = Workers(self._take, limit=100)
        self._task: asyncio.Task[None] | None = None
        self._busy = 0
        self._looked = False
        self._draining = False

    @property
    def busy(self) -> bool:
        """Whether a message is in hand, or due."""
        due = self._shelf.next_due()
        return not self._looked or self._busy > 0 or (due is not None and due <= self._clock.now())

    @property
    def waiting(self) -> bool:
        """Whether a message is on the shelf, as far as this process knows, or in hand."""
        return not self._looked or self._busy > 0 or self._shelf.next_due() is not None

    def start(self) -> None:
        """Look at the shelf from now on."""
        self._task = asyncio.get_running_loop().create_task(self._watch())

    async def drain(self, limit: float) -> int:
        """Take no more and finish what is in hand, within ``limit`` seconds; how many were cut off."""
        until = self._clock.now() + limit
        if self._task is not None:
            # Not cancelled while it takes messages: they would stay where they are until their lease is over.
            self._draining = True
            self._shelf.changed.set()
            await asyncio.wait([self._task], timeout=limit)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        while self._busy and self._clock.now() < until:
            await self._clock.sleep(_SOON)
        return self._busy

    async def close(self) -> None:
        """Cancel what is in hand; its lease ends by itself."""
        await self.drain(0.0)
        await self._workers.close()

    async def _watch(self) -> None:
        while not self._draining:
            self._shelf.changed.clear()
            try:
                taken = await self._shelf.due()
            except (SidecarError, StoreError) as error:
                self._log.error("the shelf could not be read", reason=str(error))
                taken = []
            self._looked = True
            for one in taken:
                self._busy += 1
                self._workers.put(one)
            if not self._draining:
                await self._pause()

    async def _pause(self) -> None:
        """Wait until something is due or new on the shelf, or it is time to look for what others put there."""
        due = self._shelf.next_due()
        waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._shelf.changed.wait())]
        if due is not None:
            waits.append(asyncio.ensure_future(self._clock.sleep(max(_SOON, due - self._clock.now()))))
        try:
            await asyncio.wait(waits, timeout=_LOOK, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _take(self, taken: Taken) -> None:
        try:
            await (self._leave(taken) if taken.parked.topic else self._resume(taken))
        except (SidecarError, StoreError) as error:
            self._log.error("the shelf could not be written; the message is taken again", reason=str(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, the others go on
            self._log.error("a parked message could not be resumed", message_id=taken.message.id, exc_info=error)
        finally:
            self._shelf.let_go(taken.id)
            self._busy -= 1

    async def _resume(self, taken: Taken) -> None:
        resume = self._handlers.get(taken.parked.address)
        if resume is not None:
            await resume(taken)
            return
        # Another version of the service may have it; this one must not lose it.
        self._log.error(
            "nobody here handles a parked message", handler=taken.parked.address, message_id=taken.message.id
        )
        await self._shelf.again(taken.id, self._clock.now() + 60.0, taken.parked.attempt, taken.parked.reason)

    async def _leave(self, taken: Taken) -> None:
        try:
            await self._publish([Outgoing(taken.parked.topic, taken.message, taken.parked.component)])
        except BridgeError as error:
            due = self._clock.now() + _NOT_LEFT
            await self._shelf.again(taken.id, due, taken.parked.attempt + 1, str(error))
        else:
            await self._shelf.done(taken.id)
