"""Takes what is due from a service's shelf: to its handler, or out to its topic."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from typing import Any, NamedTuple, TypeAlias

from pillion.errors import BridgeError, SidecarError, StoreError, UnknownHandler
from pillion.pipeline.facilities import Facilities
from pillion.ports.bridge import Outgoing
from pillion.resilience.deadletter import dead_letter, letter_id, sealed
from pillion.resilience.parked import Taken
from pillion.resilience.shelf import Shelf
from pillion.resilience.workers import Workers, each

Resume: TypeAlias = Callable[[Taken], Awaitable[None]]

# How often the shelf is looked at for what other instances and the command line put there. Seconds.
_LOOK = 2.0
_SOON = 0.01
# A message that could not leave is tried again after this time. Seconds.
_NOT_LEFT = 5.0
# While versions of a service run side by side, another one may have the handler that this one has not. The message is
# left to it for a while each time, and for this long in all: longer than a rolling restart takes. Seconds.
_LEFT = 10.0
_LEFT_IN_ALL = 300.0
# So many of one handler's messages are taken ahead of their turn, so that the shelf is not read for each.
_AHEAD = 20
# So many messages are in hand at once where no handler says how many.
_LIMIT = 100


class Resumption(NamedTuple):
    """What takes one handler's messages from the shelf.

    Attributes:
        resume: handles one.
        limit: how many are in hand at once, at most.
        slot: held while one is handled, where all that brings the handler messages shares its slots.
    """

    resume: Resume
    limit: int = _LIMIT
    slot: AbstractAsyncContextManager[Any] = nullcontext()


class Keeper:
    """Takes from one service's shelf what is due: to its handler, or out to its topic.

    Args:
        shelf: of the service.
        handlers: by address.
        dead_letter_topic: where messages go whose handler does not exist.
        facilities: of the host.
    """

    def __init__(
        self, shelf: Shelf, handlers: Mapping[str, Resumption], dead_letter_topic: str, facilities: Facilities
    ) -> None:
        self._shelf = shelf
        self._handlers = handlers
        self._dead_letter_topic = dead_letter_topic
        self._clock = facilities.clock
        self._log = facilities.log
        self._publish = facilities.bridge.publish
        # A crew for each handler, so that a slow one holds up no other; that of "" lets messages leave.
        self._crews: dict[str, Workers[Taken]] = {}
        self._task: asyncio.Task[None] | None = None
        self._in_hand: Counter[str] = Counter()
        self._looked = False
        # When the shelf is looked at next, unless it changes.
        self._next_look = 0.0
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

    @property
    def _busy(self) -> int:
        """How many messages are in hand."""
        return self._in_hand.total()

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
            await self._give_back()
        while self._busy and self._clock.now() < until:
            await self._clock.sleep(_SOON)
        return self._busy

    async def close(self) -> None:
        """Cancel what is in hand; its lease ends by itself."""
        await self.drain(0.0)
        for crew in self._crews.values():
            await crew.close()
        with suppress(SidecarError, StoreError):  # then what was cut off counts as an attempt
            await self._shelf.excuse()

    async def _give_back(self) -> None:
        """What cannot begin before others are done is for another instance, or for the next start."""
        for address, crew in self._crews.items():
            while crew.jobs and self._in_hand[address] > crew.limit:
                taken = crew.jobs.pop()
                self._in_hand[address] -= 1
                try:
                    await self._shelf.again(taken.id, taken.parked.due, taken.parked.attempt, taken.parked.reason)
                except (SidecarError, StoreError) as error:
                    self._log.error("the shelf could not be written; its lease ends by itself", reason=str(error))

    async def _watch(self) -> None:
        while not self._draining:
            self._shelf.changed.clear()
            try:
                await self._shelf.renew()
                await self._shelf.excuse()
                taken = await self._shelf.due(self._room)
            except (SidecarError, StoreError) as error:
                self._log.error("the shelf could not be read", reason=str(error))
                taken = []
            self._looked = True
            for one in taken:
                self._in_hand[one.parked.address] += 1
                self._crew(one.parked.address).put(one)
            if not self._draining:
                await self._pause()

    async def _pause(self) -> None:
        """Wait until something is due or new on the shelf, or it is time to look for what others put there."""
        due, now = self._shelf.next_due(self._room), self._clock.now()
        self._next_look = now + _LOOK if due is None else min(due, now + _LOOK)
        waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._shelf.changed.wait())]
        if due is not None:
            waits.append(asyncio.ensure_future(self._clock.sleep(max(_SOON, due - now))))
        try:
            await asyncio.wait(waits, timeout=_LOOK, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _crew(self, address: str) -> Workers[Taken]:
        crew = self._crews.get(address)
        if crew is None:
            handler = self._handlers.get(address)
            crew = self._crews[address] = Workers(each(self._take), _LIMIT if handler is None else handler.limit)
        return crew

    def _room(self, address: str) -> int:
        """How many more messages of this handler may be taken: none while one waits for its turn."""
        crew = self._crew(address)
        return 0 if crew.waiting else crew.limit + _AHEAD - self._in_hand[address]

    def _begun(self, address: str) -> None:
        """When none of its messages waits any more, more may be taken, now or before the shelf is looked at next."""
        due = self._shelf.next_due(self._room) if not self._crew(address).waiting else None
        if due is not None and (due < self._next_look or due <= self._clock.now()):
            self._shelf.changed.set()

    async def _take(self, taken: Taken) -> None:
        self._begun(taken.parked.address)
        try:
            await (self._leave(taken) if taken.parked.topic else self._resume(taken))
        except (SidecarError, StoreError) as error:
            self._log.error("the shelf could not be written; the message is taken again", reason=str(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, the others go on
            self._log.error("a parked message could not be resumed", message_id=taken.message.id, exc_info=error)
        finally:
            self._shelf.let_go(taken.id)
            self._in_hand[taken.parked.address] -= 1

    async def _resume(self, taken: Taken) -> None:
        parked, now = taken.parked, self._clock.now()
        handler = self._handlers.get(parked.address)
        if handler is not None:
            async with handler.slot:
                await handler.resume(taken)
            return
        since = parked.unhandled or now
        if now - since >= _LEFT_IN_ALL:
            await self._set_aside(taken)
            return
        if not parked.unhandled:
            self._log.error(
                "a parked message waits for a handler that is not here", handler=parked.address,
                message_id=taken.message.id, dead_letter_in_seconds=_LEFT_IN_ALL,
            )  # fmt: skip
        await self._shelf.leave(taken.id, since, _LEFT)

    async def _set_aside(self, taken: Taken) -> None:
        """Nobody has the handler, so it is a dead letter: that is listed, and can be given to another handler."""
        # Behind a slash is why it was kept: in hand, or to be recovered.
        address, message = taken.parked.address.partition("/")[0], taken.message
        reason = f"there is no handler {address}: it was renamed or removed, or replayed by a wrong name"
        letter = dead_letter(message, address, reason, UnknownHandler(handler=address))
        try:
            await self._publish([Outgoing(self._dead_letter_topic, sealed(letter))])
        except BridgeError as error:
            self._log.error("dead letter could not be published", reason=str(error), handler=address)
            await self._shelf.leave(taken.id, taken.parked.unhandled, _NOT_LEFT)
            return
        await self._shelf.forget(taken)
        self._log.error(
            "message set aside", letter=letter_id(letter), topic=self._dead_letter_topic, handler=address,
            message_id=message.id, correlation_id=message.correlation_id or message.id, reason=reason,
        )  # fmt: skip

    async def _leave(self, taken: Taken) -> None:
        try:
            await self._publish([Outgoing(taken.parked.topic, taken.message, taken.parked.component)])
        except BridgeError as error:
            due = self._clock.now() + _NOT_LEFT
            await self._shelf.again(taken.id, due, taken.parked.attempt + 1, str(error))
        else:
            await self._shelf.forget(taken)
