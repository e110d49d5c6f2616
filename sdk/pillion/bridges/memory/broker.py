"""Topics in memory: who listens, and what waits for somebody who will."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pillion.bridges.memory.lane import Delivery, Lane
from pillion.errors import BridgeError
from pillion.ports.bridge import Route
from pillion.resilience.turn import Turn


@dataclass(slots=True)
class Topic:
    """Those who listen to a topic.

    Attributes:
        lanes: all of them.
        by_type: for each type that one of them names, all who want such messages.
        untyped: who wants messages of all other types.
        waiting: commands nobody takes yet.
    """

    lanes: list[Lane] = field(default_factory=list)
    by_type: dict[str, Sequence[Lane]] = field(default_factory=dict)
    untyped: Sequence[Lane] = ()
    waiting: deque[tuple[str, Delivery]] = field(default_factory=deque)

    def add(self, lane: Lane) -> None:
        """Listen."""
        self.lanes.append(lane)
        self._sort()

    def remove(self, lane: Lane) -> None:
        """Stop listening."""
        self.lanes.remove(lane)
        self._sort()

    def forget(self, delivery: Delivery) -> None:
        """Nobody waits for it any more, so it need not wait either."""
        self.waiting = deque(kept for kept in self.waiting if kept[1] is not delivery)

    def _sort(self) -> None:
        self.untyped = [lane for lane in self.lanes if not lane.types]
        types = {type_ for lane in self.lanes for type_ in lane.types}
        self.by_type = {
            type_: [lane for lane in self.lanes if not lane.types or type_ in lane.types] for type_ in types
        }  # fmt: skip


class MemoryBroker:
    """Topics of one process. Hosts that share a broker are each other's peers.

    Messages are lost when the process dies. Events nobody listens to are forgotten, as brokers do; commands wait for
    their service to start, so services may start in any order.

    Args:
        capacity: how many messages may wait in front of one handler before senders have to wait. Default 1000.
        patience: seconds a sender waits for room before it is refused. Default 30.

    Attributes:
        topics: by component and name; made on first use.
    """

    def __init__(self, *, capacity: int = 1000, patience: float = 30.0) -> None:
        self._capacity = capacity
        self._patience = patience
        self.topics: defaultdict[tuple[str, str], Topic] = defaultdict(Topic)
        self._lanes: dict[tuple[str, ...], Lane] = {}
        self._hosts: Counter[str] = Counter()
        self._unsettled = 0
        self._turn = Turn()
        self._quiet: list[asyncio.Future[None]] = []

    @property
    def unsettled(self) -> int:
        """How many messages are queued or being handled."""
        return self._unsettled

    @property
    def hosts(self) -> int:
        """How many hosts take messages."""
        return len(self._hosts)

    def listen(self, route: Route, instance: str) -> None:
        """A host begins to take a route's messages."""
        self._hosts[instance] += 1
        key = self._key(route, instance)
        lane = self._lanes.get(key)
        if lane is not None:
            lane.join(route)
            return
        lane = self._lanes[key] = Lane(route, self._capacity, self._settle)
        topic = self.topics[route.component, route.topic]
        topic.add(lane)
        for _ in range(len(topic.waiting)):
            type_, delivery = topic.waiting.popleft()
            self._requeue(topic, type_, delivery, lane)

    async def forget(self, routes: Iterable[Route], instance: str) -> None:
        """A host stops taking messages of these routes."""
        self._hosts.pop(instance, None)
        for route in routes:
            key = self._key(route, instance)
            lane = self._lanes.get(key)
            if lane is not None and lane.leave(route):
                del self._lanes[key]
                self.topics[route.component, route.topic].remove(lane)
                await lane.close()

    def offer(self, topic: Topic, type_: str, delivery: Delivery) -> int:
        """Queue a delivery with all who want it, at once; 0 when nobody does, or somebody's queue is full."""
        lanes = topic.by_type.get(type_, topic.untyped)
        # No queue can hold more than there are in all.
        if self._unsettled >= self._capacity and any(lane.full for lane in lanes):
            return 0
        for lane in lanes:
            self._unsettled += 1
            lane.put(delivery)
        return len(lanes)

    def serve(self, topic: Topic, type_: str, delivery: Delivery) -> bool:
        """Begin to handle a call now, if its handler is idle; whether it was begun."""
        lanes, turn = topic.by_type.get(type_, topic.untyped), self._turn
        if len(lanes) != 1 or not turn.allows():
            return False
        self._unsettled += 1
        turn.depth += 1
        try:
            begun = lanes[0].at_once(delivery)
        finally:
            turn.depth -= 1
        if not begun:
            self._unsettled -= 1
        return begun

    async def put(self, topic: Topic, type_: str, delivery: Delivery) -> int:
        """Queue a delivery with all who want it; how many that are.

        Raises:
            BridgeError: a queue stayed full for too long.
        """
        lanes = topic.by_type.get(type_, topic.untyped)
        for lane in lanes:
            await self.put_one(lane, delivery)
        return len(lanes)

    async def put_one(self, lane: Lane, delivery: Delivery) -> None:
        """Queue a delivery in one lane.

        Raises:
            BridgeError: its queue stayed full for too long.
        """
        if lane.full:
            await self._room(lane)
        self._unsettled += 1
        lane.put(delivery)

    async def keep(self, topic: Topic, type_: str, delivery: Delivery) -> None:
        """Keep a command until its service starts.

        Raises:
            BridgeError: as many as a queue may hold are kept already.
        """
        while topic.waiting and len(topic.waiting) >= self._capacity:
            stale = next((kept for kept in topic.waiting if kept[1].reply is not None and kept[1].reply.done()), None)
            if stale is None:
                raise BridgeError(f"{type_}: {self._capacity} messages wait for its service; is it started?")
            topic.waiting.remove(stale)
        topic.waiting.append((type_, delivery))

    async def quiet(self) -> None:
        """Wait until no message is queued or being handled."""
        while self._unsettled:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._quiet.append(waiter)
            await waiter

    def _requeue(self, topic: Topic, type_: str, delivery: Delivery, lane: Lane) -> None:
        if delivery.reply is not None and delivery.reply.done():
            return
        if not lane.types or type_ in lane.types:
            self._unsettled += 1
            lane.put(delivery)
        else:
            topic.waiting.append((type_, delivery))

    async def _room(self, lane: Lane) -> None:
        try:
            await asyncio.wait_for(lane.room(), self._patience)
        except TimeoutError:
            raise BridgeError(
                f"{lane.address}: its queue is full and stayed full for {self._patience} s; "
                "handle faster, raise its concurrency, or send less"
            ) from None

    def _settle(self) -> None:
        self._unsettled -= 1
        if not self._unsettled and self._quiet:
            waiters, self._quiet = self._quiet, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)

    @staticmethod
    def _key(route: Route, instance: str) -> tuple[str, ...]:
        own = instance if route.broadcast else ""
        return (route.component, route.topic, route.kind.value, route.address, own)
