"""A clock that tests move: what would take minutes takes none."""

from __future__ import annotations

import asyncio
import heapq
from itertools import count


class FakeClock:
    """Stands still until it is advanced; implements ``pillion.ports.clock.Clock``.

    Retries with back-off, TTLs and message times follow it. Time-outs of calls and handlers do not: they guard against
    hanging, and stay real.

    Args:
        start: seconds since 1970-01-01 UTC that it shows first. Default a moment in 2027.
    """

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self._now = start
        self._numbers = count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._watchers: list[asyncio.Future[None]] = []

    def now(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has been advanced that far."""
        if seconds <= 0:
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._numbers), woken))
        watchers, self._watchers = self._watchers, []
        for watcher in watchers:
            _wake(watcher)
        await woken

    @property
    def sleeping(self) -> int:
        """How many wait for this clock."""
        return sum(not woken.done() for _, _, woken in self._sleepers)

    async def until_asleep(self, sleepers: int = 1) -> None:
        """Wait until at least so many wait for this clock."""
        while self.sleeping < sleepers:
            watcher: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._watchers.append(watcher)
            await watcher

    async def advance(self, seconds: float) -> None:
        """Let time pass, and wake whoever waited for it, in their order."""
        target = self._now + seconds
        while self._sleepers and self._sleepers[0][0] <= target:
            await self._wake_first()
        self._now = max(self._now, target)

    async def skip(self) -> None:
        """Let pass what the next sleeper waits for; nothing when nobody sleeps."""
        if self.sleeping:
            while self._sleepers[0][2].done():
                heapq.heappop(self._sleepers)
            await self._wake_first()

    async def _wake_first(self) -> None:
        due, _, woken = heapq.heappop(self._sleepers)
        self._now = max(self._now, due)
        _wake(woken)
        # Whoever woke runs before time goes on, so that it sees the moment it waited for.
        await asyncio.sleep(0)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
