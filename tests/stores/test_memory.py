"""The memory stores hold no more than what is alive."""

from __future__ import annotations

from pillion.ports.store import Upsert
from pillion.stores.memory import MemoryStateStore


class Clock:
    """A clock that is moved by hand."""

    time = 0.0

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


async def test_expired_values_are_swept_away() -> None:
    clock = Clock()
    store = MemoryStateStore(clock)
    for number in range(10_000):
        clock.time += 1
        await store.write([Upsert(str(number), b"1", ttl=10)])
    assert len(store._entries) < 100


async def test_a_ttl_may_be_less_than_a_second() -> None:
    clock = Clock()
    store = MemoryStateStore(clock)
    await store.write([Upsert("1", b"1", ttl=0.5)])
    clock.time = 0.4
    assert "1" in await store.get(["1"])
    clock.time = 0.5
    assert await store.get(["1"]) == {}
