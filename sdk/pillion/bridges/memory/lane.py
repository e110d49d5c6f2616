"""The queue in front of one handler, shared by all hosts in the process that run it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from zlib import crc32

from pillion.codec.cloudevents import decode, encode
from pillion.errors import DeadlineExceeded
from pillion.outcome import Reply, Retry
from pillion.ports.bridge import Kind, Route
from pillion.resilience.work import Work
from pillion.resilience.workers import Workers, crew_of


class Delivery(Work, eq=False):
    """An encoded message on its way to a handler.

    Attributes:
        body: the message.
        reply: for whoever waits for the answer; None when nobody does, or not yet.
        answer: what came before anybody waited.
    """

    body: bytes
    reply: asyncio.Future[bytes] | None = None
    answer: bytes | None = None

    def answered(self, body: bytes) -> None:
        """The answer is here."""
        if self.reply is None:
            self.answer = body
        elif not self.reply.done():
            self.reply.set_result(body)

    def expire(self) -> None:
        """No reply came in time; see ``Expiring.expire``."""
        if self.reply is not None and not self.reply.done():
            self.reply.set_exception(DeadlineExceeded(where=decode(self.body).type))


class Lane:
    """Bounded queue and workers of one handler. Its hosts take turns: competing consumers; a key stays with one.

    Args:
        route: the handler as its first host declared it.
        capacity: how many messages may wait before senders have to.
        settled: called once for each delivery that is done with.
    """

    def __init__(self, route: Route, capacity: int, settled: Callable[[], None]) -> None:
        self.address = route.address
        self.types = route.types
        self._routes = [route]
        self._turn = 0
        self._capacity = capacity
        self._settled = settled
        self._parked = 0
        self._closed = False
        self._blocked: deque[asyncio.Future[None]] = deque()
        self._key = _delivery_key(route)
        # Work for a caller that gave up, but not what must be finished once it has begun.
        self._cancels = route.kind is Kind.COMMAND and not route.durable
        self._workers: Workers[Delivery] = crew_of(self._deliver, route.concurrency, self._key)
        self._queue = self._workers.jobs
        if route.kind is Kind.COMMAND:
            self._workers.prepare()
        self.put = self._workers.put
        self.at_once = self._workers.at_once

    def join(self, route: Route) -> None:
        """Another host runs the same handler."""
        self._routes.append(route)
        self._workers.limit += route.concurrency

    def leave(self, route: Route) -> bool:
        """A host stops; whether it was the last one."""
        self._routes.remove(route)
        self._workers.limit -= route.concurrency
        return not self._routes

    @property
    def route(self) -> Route:
        """The route of its first host; they all have the same."""
        return self._routes[0]

    @property
    def full(self) -> bool:
        """Whether senders have to wait."""
        return self._workers.waiting >= self._capacity

    async def room(self) -> None:
        """Wait until the queue has room; senders go on in the order they came."""
        while self.full:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._blocked.append(waiter)
            await waiter

    async def close(self) -> None:
        """Cancel what is being handled, and forget what waits."""
        forgotten, self._parked = self._workers.waiting + self._parked, 0
        self._closed = True
        self._queue.clear()
        await self._workers.close()
        for _ in range(forgotten):
            self._settled()

    async def _deliver(self, deliveries: Iterable[Delivery]) -> None:
        cancels = self._cancels
        for delivery in deliveries:
            if self._blocked:
                self._admit()
            route = self._routes[0] if len(self._routes) == 1 else self._next(delivery)
            if route is None or (delivery.abandoned and not route.durable):
                self._settled()
                continue
            if cancels:
                delivery.worker = self._workers.worker
            try:
                outcome = await route.handle(decode(delivery.body))
                delivery.end()
                if type(outcome) is Reply:
                    delivery.answered(encode(outcome.message))
            except BaseException:
                # Cut off, given up, or a fault of ours: either way nobody may wait for it any longer.
                self._settled()
                if delivery.end():
                    continue
                raise
            if isinstance(outcome, Retry):
                self._later(delivery, outcome)
            else:
                self._settled()

    def _next(self, delivery: Delivery) -> Route | None:
        """The route of the host whose turn it is; None when there is none any more."""
        if not self._routes:
            return None
        key = None if self._key is None else self._key(delivery)
        if key is not None:
            return self._routes[crc32(key.encode()) % len(self._routes)]  # as a broker does that has partitions
        self._turn = (self._turn + 1) % len(self._routes)
        return self._routes[self._turn]

    def _later(self, delivery: Delivery, outcome: Retry) -> None:
        """Deliver again after the wait; until then it counts as unsettled."""
        self._parked += 1
        asyncio.get_running_loop().call_later(1.0 if outcome.after is None else outcome.after, self._again, delivery)

    def _again(self, delivery: Delivery) -> None:
        if not self._closed:
            self._parked -= 1
            self.put(delivery)

    def _admit(self) -> None:
        while self._blocked:
            waiter = self._blocked.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return


def _delivery_key(route: Route) -> Callable[[Delivery], str | None] | None:
    key = route.key
    return None if key is None else lambda delivery: key(decode(delivery.body))
