"""The shelf: messages that are to be handled, or to leave, later; any instance takes what is due."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from pillion.batches import Batches
from pillion.codec.cloudevents import encode
from pillion.message import Message
from pillion.ports.bridge import Outgoing
from pillion.ports.clock import Clock
from pillion.ports.store import StateStore
from pillion.resilience.ledger import Ledger
from pillion.resilience.overview import Overview, Room, ample
from pillion.resilience.parked import Parked, Taken
from pillion.resilience.recent import Recent

_REASON = 200
# A broker takes longer to give the messages of a key to another instance and back. Seconds.
_LATELY = 2.0
# However many ask, they are answered by one look.
_ALL = 1_000_000


class Shelf:
    """The shelf of one service.

    Attributes:
        changed: set when this process has put something on the shelf; whoever waits for it clears it.

    Args:
        store: the service's own; must keep ETags.
        group: the service's name and version.
        clock: decides what is due.
        lease: seconds that an instance has for a message it took; then another may take it. Default 60.
        owner: ``<instance>/<boot id>``; what earlier boots of an instance had is free. Default: of nobody.
        alone: whether no other process gets messages of the service now. Default: others can.
    """

    def __init__(
        self,
        store: StateStore,
        group: str,
        clock: Clock,
        *,
        lease: float = 60.0,
        owner: str = "",
        alone: Callable[[], bool] = lambda: False,
    ) -> None:
        self._ledger = Ledger(store, f"shelf:{group}", Parked)
        self._now = clock.now
        self._lease = lease
        self._owner = owner
        self._overview = Overview(clock, owner)
        self._looking = asyncio.Lock()
        self._looks: Batches[None, None] = Batches(self._look_for, _ALL)
        self._came: Recent[tuple[str, str]] = Recent(clock, _LATELY)
        self._alone = alone
        # Whether there was a look since when nobody else has parked anything.
        self._complete = False
        self.changed = asyncio.Event()

    async def park(
        self, message: Message, address: str, due: float, attempt: int, reason: str, key: str | None = None
    ) -> str:
        """Keep a message for one handler; its name on the shelf.

        The same one twice is one entry, with its first place among its key's, the later time and the higher attempt.

        Args:
            message: is delivered as it is, with ``attempt``.
            address: handler.
            due: when, in seconds since 1970-01-01 UTC.
            attempt: number of the attempt that is to be made then.
            reason: why it was not handled now.
            key: messages of one handler and key are taken one after another, in the order they were parked.

        Raises:
            StoreError: the store cannot do it.
        """
        id_ = f"{address}|{message.source}|{message.id}"
        parked = Parked(
            due, self._overview.moment(), address=address, attempt=attempt, key=key, reason=reason[:_REASON]
        )
        if (known := self._overview.get(id_)) is not None:
            due, attempt = max(due, known.due), max(attempt, known.attempt)
            parked = replace(parked, due=due, since=known.since, attempt=attempt)
        await self._put(id_, parked, message)
        return id_

    async def keep(self, message: Message, address: str) -> str:
        """Keep a message that is in hand here; its name on the shelf, for ``done`` or ``again``.

        Others take it when its lease is over, which ``renew`` puts off.

        Args:
            message: as it came.
            address: handler it is to be delivered to then.

        Raises:
            StoreError: the store cannot do it.
        """
        id_, now = f"{address}|{message.source}|{message.id}", self._now()
        parked = Parked(
            now, self._overview.moment(), address=address, attempt=message.attempt, reason="in hand",
            lease=now + self._lease, holder=self._owner,
        )  # fmt: skip
        self._overview.mine.add(id_)
        try:
            await self._put(id_, parked, message)
        except BaseException:
            self._overview.mine.discard(id_)
            raise
        return id_

    async def renew(self) -> None:
        """Let the leases of what is in hand here go on, where half of their time is over.

        Raises:
            StoreError: the store cannot do it.
        """
        until = self._now() + self._lease
        ending = self._overview.ending(before=until - self._lease / 2)

        def renewed(old: Parked) -> Parked | None:
            return replace(old, lease=until) if self._holds(old) else None

        for id_, parked in (await self._ledger.change(ending, renewed)).items() if ending else ():
            if id_ in self._overview.mine:
                self._overview.know(id_, parked)

    async def begin(self, taken: Taken) -> None:
        """Say that the handler of a taken message begins now: if nothing is heard of it again, its process has ended.

        Raises:
            StoreError: the store cannot do it; it will be taken again when its lease is over.
        """
        await self._say([taken.id], begun=True)

    async def excuse(self) -> None:
        """Say that of what began here and was let go no process has ended: whatever happened is no attempt.

        Raises:
            StoreError: the store cannot do it.
        """
        if ids := self._overview.let_go():
            await self._say(ids, begun=False)

    async def post(self, outgoing: Outgoing, due: float) -> None:
        """Keep a message that is to be published at ``due``, in seconds since 1970-01-01 UTC.

        Raises:
            StoreError: the store cannot do it.
        """
        message = outgoing.message
        id_ = f"{outgoing.component}/{outgoing.topic}|{message.source}|{message.id}"
        parked = Parked(due, self._overview.moment(), topic=outgoing.topic, component=outgoing.component)
        await self._put(id_, parked, message)

    async def due(self, room: Room = ample, limit: int = 100) -> list[Taken]:
        """Take what is due and nobody has, oldest first; of one key only the first.

        Args:
            room: for how many messages of a handler there is room, by its address.
            limit: how many in all, at most.

        Raises:
            StoreError: the store cannot do it.
        """
        async with self._looking:
            await self._look()
            ids = self._overview.due(room, limit)
            return await self._take(ids) if ids else []

    async def done(self, id_: str) -> None:
        """Forget a message that was kept or parked, and that nobody has taken. Raises as ``forget``."""
        self._overview.mine.discard(id_)
        await self._ledger.remove([id_])
        self._overview.know(id_, None)

    async def forget(self, taken: Taken) -> None:
        """Forget a taken message, which was handled or has left, unless it was put on the shelf again since.

        Raises:
            StoreError: the store cannot do it; it will be taken again.
        """
        try:
            await self._ledger.remove([taken.id], self._holds)
        finally:
            self._overview.mine.discard(taken.id)
        known, key = self._overview.get(taken.id), taken.parked.key
        if known is not None and self._holds(known):
            self._overview.know(taken.id, None)
        if key is not None and self.waiting(taken.parked.address, key):
            self.changed.set()  # the next of its key may go

    async def again(self, id_: str, due: float, attempt: int, reason: str) -> None:
        """Put a taken message back; the arguments are those of ``park``.

        Raises:
            StoreError: the store cannot do it; it will be taken again when its lease is over.
        """
        free = {"lease": 0.0, "unhandled": 0.0, "begun": False}
        try:
            changed = await self._ledger.change(
                [id_], lambda old: replace(old, due=due, attempt=attempt, reason=reason[:_REASON], **free)
            )
        finally:
            self._overview.mine.discard(id_)
        self._overview.know(id_, changed.get(id_))
        self.changed.set()

    async def leave(self, id_: str, since: float, pause: float) -> None:
        """Leave a taken message, whose handler is not here, to others: this process takes it again after ``pause``.

        Args:
            since: when it was found first that whoever took it has not its handler, in seconds since 1970-01-01 UTC.
            pause: seconds.

        Raises:
            StoreError: the store cannot do it; it will be taken again when its lease is over.
        """
        self._overview.mine.discard(id_)
        self._overview.leave(id_, self._now() + pause)
        changed = await self._ledger.change([id_], lambda old: replace(old, lease=0.0, unhandled=since))
        self._overview.know(id_, changed.get(id_))
        self.changed.set()

    def let_go(self, id_: str) -> None:
        """Say nothing of what came of a taken message; it is taken again when its lease is over."""
        self._overview.mine.discard(id_)

    def next_due(self, room: Room = ample) -> float | None:
        """When there will be something to take, as far as this process knows; None when there will be nothing.

        Args:
            room: as for ``due``.
        """
        return self._overview.next_due(room)

    def waiting(self, address: str, key: str) -> bool:
        """Whether a message of this key waits for this handler, as far as this process knows."""
        return self._overview.waiting(address, key)

    async def waits(self, address: str, key: str) -> bool:
        """Whether a message of this key waits for this handler, whoever parked it.

        The store is looked at, unless a message of this key came a moment ago: until then another instance had the
        messages of this key, or an earlier process. Who is alone looks once.

        Raises:
            StoreError: the store cannot do it.
        """
        lane, alone = (address, key), self._alone()
        if not (self._complete if alone else lane in self._came):
            await self._looks.put(None)
        self._complete = alone
        if not alone:
            self._came.add(lane)
        return self.waiting(address, key)

    def _holds(self, parked: Parked) -> bool:
        return parked.held_by(self._owner)

    async def _say(self, ids: Sequence[str], *, begun: bool) -> None:
        self._overview.learn(
            await self._ledger.change(ids, lambda old: replace(old, begun=begun) if self._holds(old) else None)
        )

    async def _put(self, id_: str, parked: Parked, message: Message) -> None:
        await self._ledger.put(id_, parked, encode(message))
        self._overview.know(id_, parked)
        self.changed.set()

    async def _take(self, ids: Sequence[str]) -> list[Taken]:
        now, ready = self._now(), self._overview.ready
        leased = now + self._lease
        try:
            taken = await self._ledger.change(
                ids, lambda old: replace(old, lease=leased, holder=self._owner) if ready(old) <= now else None
            )
            self._overview.learn(taken)
            bodies = await self._ledger.bodies(taken)
        except BaseException:
            self._overview.doubt(leased)  # a write that fails may have been done all the same
            raise
        self._overview.mine.update(bodies)
        return [Taken.of(id_, taken[id_], bodies[id_]) for id_ in ids if id_ in bodies]

    async def _look_for(self, asked: Sequence[None]) -> Sequence[None]:
        async with self._looking:
            await self._look()
        return asked

    async def _look(self) -> None:
        self._overview.begin_look()
        self._overview.looked(await self._ledger.entries())
