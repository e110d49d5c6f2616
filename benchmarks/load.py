"""Load: how many calls per second, and how long each takes. Runs inside the program that calls."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Answer = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]


async def hold(call: Callable[[], Awaitable[object]], in_flight: int, seconds: float) -> dict[str, float]:
    """Keep so many calls in flight for so long; the rate, and percentiles of their durations in milliseconds."""
    durations: list[float] = []
    start = time.perf_counter()
    end = start + seconds

    async def worker() -> None:
        while (begun := time.perf_counter()) < end:
            await call()
            durations.append(time.perf_counter() - begun)

    await asyncio.gather(*(worker() for _ in range(in_flight)))
    elapsed = time.perf_counter() - start
    cuts = statistics.quantiles(durations, n=100) if len(durations) > 1 else [durations[0]] * 99
    return {"per_second": len(durations) / elapsed, "p50_ms": cuts[49] * 1000, "p99_ms": cuts[98] * 1000}


async def repeat(call: Callable[[int], Awaitable[object]], count: int, in_flight: int) -> None:
    """Make so many calls, so many at a time."""
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await call(number)

    await asyncio.gather(*(worker() for _ in range(in_flight)))


async def answering(answer: Answer) -> None:
    """Answer the questions of ``rig.App.ask`` until stdin ends."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        text = json.dumps({"answer": await answer(json.loads(line))})
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


async def holding(call: Callable[[], Awaitable[object]]) -> None:
    """Answer questions of the form ``{"in_flight": …, "seconds": …}`` with what ``hold`` measures."""

    async def answer(question: Mapping[str, Any]) -> Mapping[str, Any]:
        return await hold(call, question["in_flight"], question["seconds"])

    await answering(answer)


class Tally:
    """Counts what a subscriber has handled, and remembers when it reached the number that is waited for."""

    def __init__(self) -> None:
        self.count = 0
        self._wanted = 0
        self._reached: asyncio.Future[float] | None = None

    def add(self) -> None:
        """One more is handled."""
        self.count += 1
        if self.count == self._wanted and self._reached:
            self._reached.set_result(time.monotonic())

    async def until(self, wanted: int) -> float:
        """When (on the machine's monotonic clock) so many were handled."""
        self._wanted = wanted
        if self.count >= wanted:
            return time.monotonic()
        self._reached = asyncio.get_running_loop().create_future()
        return await self._reached

    async def answer(self, question: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answer ``{}`` with the count so far, ``{"until": n}`` with when n more were reached."""
        if "until" in question:
            return {"at": await self.until(question["until"])}
        return {"count": self.count}
