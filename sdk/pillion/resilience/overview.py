"""What one process knows of a shelf: what lies there, in which order, and what it may take."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeAlias

from pillion.ports.clock import Clock
from pillion.resilience.parked import Parked

# Neighbouring moments that a float still tells apart.
_MOMENT = 1e-6

# For how many messages of one handler there is room, by its address.
Room: TypeAlias = Callable[[str], int]


def ample(_: str) -> int:
    """Room for any number."""
    return sys.maxsize


class Overview:
    """What lies on a shelf, as far as this process knows.

    Attributes:
        mine: what this process has in hand; it does not take that again, however long its lease is over.

    Args:
        clock: decides what is due.
        owner: ``<instance>/<boot id>``; what earlier boots of an instance had is free.
    """

    def __init__(self, clock: Clock, owner: str) -> None:
        self.mine: set[str] = set()
        self._now = clock.now
        self._owner = owner
        self._instance = owner.partition("/")[0]
        self._known: dict[str, Parked] = {}
        self._lanes: Counter[tuple[str, str]] = Counter()
        self._last = 0.0
        self._news: set[str] = set()
        # What is left to others, and until when.
        self._left: dict[str, float] = {}
        # Ends of leases that this process may have written and does not use.
        self._doubtful: set[float] = set()

    def get(self, id_: str) -> Parked | None:
        """What is known of a message."""
        return self._known.get(id_)

    def moment(self) -> float:
        """Now, and later than all that was parked before."""
        self._last = max(self._now(), self._last + _MOMENT)
        return self._last

    def begin_look(self) -> None:
        """The store is being read; ``looked`` gets what is there."""
        self._news.clear()

    def looked(self, found: Mapping[str, Parked]) -> None:
        """The store was read. What this process changed meanwhile is newer."""
        for id_ in (self._known.keys() | found.keys()) - self._news:
            self.know(id_, found.get(id_))

    def know(self, id_: str, parked: Parked | None) -> None:
        """A message lies there like this now, or not any more."""
        self._news.add(id_)
        old = self._known.pop(id_, None)
        self._count(old, -1)
        self._count(parked, 1)
        if parked is None:
            self._left.pop(id_, None)
            return
        self._known[id_] = parked
        # Clocks differ: what is parked here from now on comes after what others have parked.
        self._last = max(self._last, parked.since)

    def learn(self, changed: Mapping[str, Parked]) -> None:
        """Messages lie there like this now."""
        for id_, parked in changed.items():
            self.know(id_, parked)

    def leave(self, id_: str, until: float) -> None:
        """Do not take a message before that, so that others can."""
        self._left[id_] = until

    def doubt(self, lease: float) -> None:
        """Messages may or may not have been taken until then; nobody has them in hand."""
        self._doubtful = {end for end in self._doubtful if end > self._now()} | {lease}

    def waiting(self, address: str, key: str) -> bool:
        """Whether a message of this key waits for this handler."""
        return self._lanes[address, key] > 0

    def due(self, room: Room, limit: int) -> list[str]:
        """What may be taken now, oldest first; of one key only the first.

        Args:
            room: for how many messages of a handler there is room.
            limit: how many in all, at most.
        """
        now = self._now()
        ready = [id_ for id_ in self._heads() if id_ not in self.mine and self._when(id_) <= now]
        ready.sort(key=lambda id_: (self._known[id_].due, self._known[id_].since))
        return self._fitting(ready, room)[:limit]

    def next_due(self, room: Room) -> float | None:
        """When there will be something to take; None when there will be nothing."""
        ids = (id_ for id_ in self._heads() if id_ not in self.mine)
        return min((self._when(id_) for id_ in ids if room(self._known[id_].address) > 0), default=None)

    def ready(self, parked: Parked) -> float:
        """When it may be taken, as things stand."""
        if parked.holder == self._owner:
            unused = parked.lease in self._doubtful
        else:
            unused = parked.holder.partition("/")[0] == self._instance  # an earlier boot's
        return parked.due if unused else max(parked.due, parked.lease)

    def ending(self, before: float) -> list[str]:
        """What is in hand here with a lease that ends before that."""
        known = ((id_, self._known[id_]) for id_ in self.mine if id_ in self._known)
        return [id_ for id_, parked in known if parked.lease < before]

    def let_go(self) -> list[str]:
        """What began here and is not in hand any more, but nobody has told how it ended."""
        known = ((id_, parked) for id_, parked in self._known.items() if id_ not in self.mine)
        return [id_ for id_, parked in known if parked.begun and parked.held_by(self._owner)]

    def _count(self, parked: Parked | None, step: int) -> None:
        lane = parked.lane if parked is not None else None
        if lane is not None:
            self._lanes[lane] += step
            if not self._lanes[lane]:
                del self._lanes[lane]

    def _when(self, id_: str) -> float:
        return max(self.ready(self._known[id_]), self._left.get(id_, 0.0))

    def _heads(self) -> Collection[str]:
        """What may be taken next: all that has no key, and the first of each key."""
        heads: dict[tuple[str, str] | str, str] = {}
        for id_, parked in self._known.items():
            lane = parked.lane or id_
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
