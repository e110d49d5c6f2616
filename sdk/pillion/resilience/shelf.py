"""The shelf: messages that are to be handled, or to leave, later; any instance takes what is due."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from pillion.batches import Batches
from pillion.codec.cloudevents import decode, encode
from pillion.message import Message
from pillion.ports.bridge import Outgoing
from pillion.ports.clock import Clock
from pillion.ports.store import StateStore
from pillion.resilience.ledger import Ledger
from pillion.resilience.recent import Recent

# Neighbouring moments that a float still tells apart.
_MOMENT = 1e-6
_REASON = 200
# A broker takes longer to give the messages of a key to another instance and back. Seconds.
_LATELY = 2.0
# However many ask, they are answered by one look.
_ALL = 1_000_000

# For how many messages of one handler there is room, by its address.
Room: TypeAlias = Callable[[str], int]


def _ample(_: str) -> int:
    return sys.maxsize


class Parked(Struct, frozen=True, omit_defaults=True):
    """What is known of a message on the shelf without reading it.

    Attributes:
        due: when it is to be taken, in seconds since 1970-01-01 UTC.
        since: when it was parked first; messages of one key are taken in this order.
        address: handler it is to be delivered to; empty when it is to be published.
        topic: where it is to be published; empty when it is to be delivered.
        component: pub/sub component of the topic.
        attempt: number of the attempt that is to be made.
        key: ordering key, or None.
        reason: why the last attempt failed.
        lease: whoever took it has it until then; 0 when nobody has.
        holder: ``<instance>/<boot id>`` of who took it last.
        unhandled: since when whoever took it has not had its handler; 0 when its handler had it last.
    """

    due: float
    since: float
    address: str = ""
    topic: str = ""
    component: str = ""
    attempt: int = 1
    key: str | None = None
    reason: str = ""
    lease: float = 0.0
    holder: str = ""
    unhandled: float = 0.0


class Taken(NamedTuple):
    """A message taken from the shelf, to be followed by ``done`` or ``again`` while the lease lasts.

    Attributes:
        id: its name on the shelf.
        parked: where it is to go.
        message: with the number of the attempt, when it is to be delivered.
    """

    id: str
    parked: Parked
    message: Message


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
        self._instance = owner.partition("/")[0]
        self._known: dict[str, Parked] = {}
        self._lanes: Counter[tuple[str, str]] = Counter()
        self._last = 0.0
        self._looking = asyncio.Lock()
        self._looks: Batches[None, None] = Batches(self._look_for, _ALL)
        self._came: Recent[tuple[str, str]] = Recent(clock, _LATELY)
        self._alone = alone
        # Whether there was a look since when nobody else has parked anything.
        self._complete = False
        self.changed = asyncio.Event()
        # What this process has in hand; it does not take that again, however long its lease is over.
        self._mine: set[str] = set()
        self._news: set[str] = set()
        # What is left to others, and until when.
        self._left: dict[str, float] = {}

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
        parked = Parked(due, self._moment(), address=address, attempt=attempt, key=key, reason=reason[:_REASON])
        if (known := self._known.get(id_)) is not None:
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
            now, self._moment(), address=address, attempt=message.attempt or 1, reason="in hand",
            lease=now + self._lease, holder=self._owner,
        )  # fmt: skip
        self._mine.add(id_)
        try:
            await self._put(id_, parked, message)
        except BaseException:
            self._mine.discard(id_)
            raise
        return id_

    async def renew(self) -> None:
        """Let the leases of what is in hand here go on, where half of their time is over.

        Raises:
            StoreError: the store cannot do it.
        """
        until = self._now() + self._lease
        known = [(id_, self._known[id_]) for id_ in self._mine if id_ in self._known]
        ending = [id_ for id_, parked in known if parked.lease < until - self._lease / 2]

        def renewed(old: Parked) -> Parked | None:
            return replace(old, lease=until) if old.holder == self._owner else None

        for id_, parked in (await self._ledger.change(ending, renewed)).items() if ending else ():
            if id_ in self._mine:
                self._know(id_, parked)

    async def post(self, outgoing: Outgoing, due: float) -> None:
        """Keep a message that is to be published at ``due``, in seconds since 1970-01-01 UTC.

        Raises:
            StoreError: the store cannot do it.
        """
        message = outgoing.message
        id_ = f"{outgoing.component}/{outgoing.topic}|{message.source}|{message.id}"
        parked = Parked(due, self._moment(), topic=outgoing.topic, component=outgoing.component)
        await self._put(id_, parked, message)

    async def due(self, room: Room = _ample, limit: int = 100) -> list[Taken]:
        """Take what is due and nobody has, oldest first; of one key only the first.

        Args:
            room: for how many messages of a handler there is room, by its address.
            limit: how many in all, at most.

        Raises:
            StoreError: the store cannot do it.
        """
        async with self._looking:
            await self._look()
            now = self._now()
            ready = [id_ for id_ in self._heads() if self._when(id_) <= now and id_ not in self._mine]
            ready.sort(key=lambda id_: (self._known[id_].due, self._known[id_].since))
            fitting = self._fitting(ready, room)[:limit]
            return await self._take(fitting, now) if fitting else []

    async def done(self, id_: str) -> None:
        """Forget a message that was handled, or has left.

        Raises:
            StoreError: the store cannot do it; it will be taken again.
        """
        self._mine.discard(id_)
        lane = _lane(self._known.get(id_))
        await self._ledger.remove([id_])
        self._know(id_, None)
        if lane and self._lanes[lane]:
            self.changed.set()  # the next of its key may go

    async def again(self, id_: str, due: float, attempt: int, reason: str) -> None:
        """Put a taken message back; the arguments are those of ``park``.

        Raises:
            StoreError: the store cannot do it; it will be taken again when its lease is over.
        """
        self._mine.discard(id_)
        changed = await self._ledger.change(
            [id_],
            lambda old: replace(old, due=due, attempt=attempt, reason=reason[:_REASON], lease=0.0, unhandled=0.0),
        )
        self._know(id_, changed.get(id_))
        self.changed.set()

    async def leave(self, id_: str, since: float, pause: float) -> None:
        """Leave a taken message, whose handler is not here, to others: this process takes it again after ``pause``.

        Args:
            since: when it was found first that whoever took it has not its handler, in seconds since 1970-01-01 UTC.
            pause: seconds.

        Raises:
            StoreError: the store cannot do it; it will be taken again when its lease is over.
        """
        self._mine.discard(id_)
        self._left[id_] = self._now() + pause
        changed = await self._ledger.change([id_], lambda old: replace(old, lease=0.0, unhandled=since))
        self._know(id_, changed.get(id_))
        self.changed.set()

    def let_go(self, id_: str) -> None:
        """Say nothing of what came of a taken message; it is taken again when its lease is over."""
        self._mine.discard(id_)

    def next_due(self, room: Room = _ample) -> float | None:
        """When there will be something to take, as far as this process knows; None when there will be nothing.

        Args:
            room: as for ``due``.
        """
        ids = (id_ for id_ in self._heads() if id_ not in self._mine)
        return min((self._when(id_) for id_ in ids if room(self._known[id_].address) > 0), default=None)

    def waiting(self, address: str, key: str) -> bool:
        """Whether a message of this key waits for this handler, as far as this process knows."""
        return self._lanes[address, key] > 0

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

    async def _put(self, id_: str, parked: Parked, message: Message) -> None:
        await self._ledger.put(id_, parked, encode(message))
        self._know(id_, parked)
        self.changed.set()

    async def _take(self, ids: Collection[str], now: float) -> list[Taken]:
        leased = now + self._lease

        def take(old: Parked) -> Parked | None:
            return replace(old, lease=leased, holder=self._owner) if self._ready(old) <= now else None

        taken = await self._ledger.change(ids, take)
        for id_, parked in taken.items():
            self._know(id_, parked)
        bodies = await self._ledger.bodies(taken)
        self._mine.update(bodies)
        return [_taken(id_, taken[id_], bodies[id_]) for id_ in ids if id_ in bodies]

    async def _look_for(self, asked: Sequence[None]) -> Sequence[None]:
        async with self._looking:
            await self._look()
        return asked

    async def _look(self) -> None:
        self._news.clear()
        found = await self._ledger.entries()
        # What this process changed while the store was being read is newer than what was read.
        for id_ in (self._known.keys() | found.keys()) - self._news:
            self._know(id_, found.get(id_))

    def _know(self, id_: str, parked: Parked | None) -> None:
        self._news.add(id_)
        old = self._known.pop(id_, None)
        for lane, step in ((_lane(old), -1), (_lane(parked), 1)):
            if lane:
                self._lanes[lane] += step
                if not self._lanes[lane]:
                    del self._lanes[lane]
        if parked is not None:
            self._known[id_] = parked
            # Clocks differ: what is parked here from now on comes after what others have parked.
            self._last = max(self._last, parked.since)
        else:
            self._left.pop(id_, None)

    def _heads(self) -> Collection[str]:
        """What may be taken next: all that has no key, and the first of each key."""
        heads: dict[tuple[str, str] | str, str] = {}
        for id_, parked in self._known.items():
            lane = _lane(parked) or id_
            if lane not in heads or parked.since < self._known[heads[lane]].since:
                heads[lane] = id_
        return heads.values()

    def _fitting(self, ids: Sequence[str], room: Room) -> list[str]:
        """Those for which there is room, in their order."""
        rooms: dict[str, int] = {}
        fitting = []
        for id_ in ids:
            address = self._known[id_].address
            if address not in rooms:
                rooms[address] = room(address)
            if rooms[address] > 0:
                rooms[address] -= 1
                fitting.append(id_)
        return fitting

    def _when(self, id_: str) -> float:
        """When this process may take it, as things stand."""
        return max(self._ready(self._known[id_]), self._left.get(id_, 0.0))

    def _ready(self, parked: Parked) -> float:
        """When it may be taken, as things stand."""
        instance = parked.holder.partition("/")[0]
        earlier = instance == self._instance and parked.holder != self._owner
        return parked.due if earlier else max(parked.due, parked.lease)

    def _moment(self) -> float:
        self._last = max(self._now(), self._last + _MOMENT)
        return self._last


def _lane(parked: Parked | None) -> tuple[str, str] | None:
    return (parked.address, parked.key) if parked and parked.key is not None else None


def _taken(id_: str, parked: Parked, body: bytes) -> Taken:
    message = decode(body)
    return Taken(id_, parked, replace(message, attempt=parked.attempt) if parked.address else message)
