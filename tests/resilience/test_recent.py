"""What came lately is remembered for a while."""

from __future__ import annotations

from pillion.resilience.recent import Recent
from pillion.testing.clock import FakeClock


async def test_it_is_remembered_for_half_of_the_time_and_forgotten_after_the_whole(clock: FakeClock) -> None:
    recent = Recent[str](clock, 2.0)
    recent.add("a")
    await clock.advance(0.9)
    recent.add("b")
    assert "a" in recent
    await clock.advance(0.9)
    assert "b" in recent
    await clock.advance(1.1)
    assert "a" not in recent
    assert "b" not in recent


async def test_what_comes_again_and_again_is_not_forgotten(clock: FakeClock) -> None:
    recent = Recent[str](clock, 2.0)
    for _ in range(10):
        recent.add("a")
        await clock.advance(0.9)
        assert "a" in recent


async def test_after_a_long_pause_nothing_is_left(clock: FakeClock) -> None:
    recent = Recent[str](clock, 2.0)
    recent.add("a")
    await clock.advance(3600)
    assert "a" not in recent
