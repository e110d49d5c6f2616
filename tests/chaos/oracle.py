"""The oracle: knows how every order has to end, reads the journal, and says what was lost and what was doubled."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.business.contract import LARGEST_ORDER, Order, Page

# Whose state shows which effect.
EFFECTS = {
    "placed": "orders",
    "confirmed": "orders",
    "rejected": "orders",
    "noted": "orders",
    "reserved": "inventory",
    "refused": "inventory",
    "released": "inventory",
    "charged": "payments",
    "declined": "payments",
}
_ORDERS_OF_A_GROUP = 10
_MOST_SENTENCES = 12


def make_orders(count: int, chance: random.Random) -> list[Order]:
    """Orders of every kind; one in ten is refused, one in five declined."""
    groups = max(1, count // _ORDERS_OF_A_GROUP)
    return [
        Order(
            number=number,
            units=chance.randint(1, LARGEST_ORDER + 1),
            cents=chance.randint(1, 10_000),
            covered=chance.random() < 0.8,
            group=chance.randrange(groups),
            gift=chance.random() < 0.5,
        )
        for number in range(count)
    ]


def warming_orders(batch: int) -> list[Order]:
    """One order of each kind, with numbers below 0."""
    kinds = ((1, True), (1, False), (LARGEST_ORDER + 1, True))
    return [
        Order(number=-3 * batch - index - 1, units=units, cents=1, covered=covered, group=-1)
        for index, (units, covered) in enumerate(kinds)
    ]


def effects_of(order: Order) -> tuple[str, ...]:
    """What has to happen for an order, each once."""
    if order.units > LARGEST_ORDER:
        return ("placed", "refused", "rejected")
    if order.covered:
        return ("placed", "reserved", "charged", "confirmed")
    return ("placed", "reserved", "declined", "released", "rejected")


def key_of(order: Order, service: str) -> str:
    """Where a service remembers the order."""
    return str(order.number if service == "orders" else order.group)


class Records:
    """The journal, read as it grows.

    Args:
        path: of the journal; it need not be there yet.

    Attributes:
        seen: how often each ``<order>:<effect>`` was come to.
        times: when, by service.
        warm: what was come to for orders with a negative number, which only see that everybody is there.
        ended: how often an order was come to its end.
        last: when the last effect was come to; 0 before the first.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self.seen: Counter[str] = Counter()
        self.times: dict[str, list[float]] = {service: [] for service in set(EFFECTS.values())}
        self.warm: set[str] = set()
        self.ended = 0
        self.last = 0.0

    def read(self) -> None:
        """Take in what was written since the last time."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            found = json.loads(line)
            if found["order"] < 0:
                self.warm.add(f"{found['order']}:{found['effect']}")
                continue
            self.seen[f"{found['order']}:{found['effect']}"] += 1
            self.ended += found["effect"] in ("confirmed", "rejected")
            self.times[EFFECTS[found["effect"]]].append(found["time"])
            self.last = max(self.last, found["time"])

    def next_after(self, service: str, time: float) -> float | None:
        """When this service first came to an effect after that time."""
        return min((found for found in self.times[service] if found > time), default=None)


@dataclass(frozen=True)
class Verdict:
    """What became of the orders.

    Attributes:
        processed: orders that are in the one terminal state they belong in.
        lost: effects that are missing in the services' state.
        doubled: effects that were applied more often than once.
        repeated: effects that handlers came to more often than once, whether or not that was applied.
        wrong: sentences about whatever else does not add up; empty when all does.
    """

    processed: int
    lost: int
    doubled: int
    repeated: int
    wrong: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Nothing is lost, doubled or wrong."""
        return not (self.lost or self.doubled or self.wrong)


class Oracle:
    """Judges one run.

    Args:
        orders: that were published.
        notes: whether each got a note as well.
    """

    def __init__(self, orders: Iterable[Order], *, notes: bool = False) -> None:
        self.orders = list(orders)
        also = ("noted",) if notes else ()
        self._expected = {order.number: (*effects_of(order), *also) for order in self.orders}
        self.expected = {f"{number}:{effect}" for number, effects in self._expected.items() for effect in effects}

    def keys(self, service: str) -> list[str]:
        """Where a service must remember something."""
        return sorted({key_of(order, service) for order in self.orders})

    def done(self, records: Records) -> bool:
        """Whether handlers came to everything that has to happen."""
        return len(records.seen) >= len(self.expected) and self.expected <= records.seen.keys()

    def verdict(self, states: Mapping[str, Mapping[str, Page]], records: Records) -> Verdict:
        """What became of the orders, by the services' own state."""
        applied: Counter[str] = Counter()
        for pages in states.values():
            for page in pages.values():
                applied.update(page.effects)
        lost = self.expected - applied.keys()
        doubled = sum(times - 1 for times in applied.values() if times > 1)
        repeated = sum(times - 1 for times in records.seen.values() if times > 1)
        wrong = [f"{count} times {effect} is lost" for effect, count in _by_effect(lost)]
        wrong += [f"{name} happened and must not" for name in sorted(applied.keys() - self.expected)]
        wrong += self._sums(states)
        return Verdict(self._processed(states), len(lost), doubled, repeated, tuple(wrong[:_MOST_SENTENCES]))

    def _processed(self, states: Mapping[str, Mapping[str, Page]]) -> int:
        pages = states["orders"]
        ends = {order.number: effects_of(order)[-1] for order in self.orders}
        return sum(str(number) in pages and pages[str(number)].status == end for number, end in ends.items())

    def _sums(self, states: Mapping[str, Mapping[str, Page]]) -> list[str]:
        confirmed = [order for order in self.orders if effects_of(order)[-1] == "confirmed"]
        wanted = {"inventory": sum(one.units for one in confirmed), "payments": sum(one.cents for one in confirmed)}
        found = {service: sum(page.total for page in states[service].values()) for service in wanted}
        return [
            f"{service}: {found[service]} taken in all, {total} ordered"
            for service, total in wanted.items()
            if found[service] != total
        ]


def _by_effect(names: Iterable[str]) -> list[tuple[str, int]]:
    """How many of these ``<order>:<effect>`` there are of each effect."""
    return sorted(Counter(name.partition(":")[2] for name in names).items())
