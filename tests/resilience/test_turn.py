"""Work is done at once for some milliseconds of a turn, and not too deep."""

from __future__ import annotations

import asyncio
from time import monotonic

from pillion.resilience.turn import Turn


def used_up(turn: Turn) -> None:
    """Use the turn until it is over."""
    limit = monotonic() + 10
    while turn.allows():
        assert monotonic() < limit


async def test_a_turn_is_over_after_some_milliseconds() -> None:
    turn = Turn()
    used_up(turn)
    assert not turn.allows()


async def test_every_turn_of_the_loop_is_a_new_one() -> None:
    turn = Turn()
    used_up(turn)
    await asyncio.sleep(0)
    assert turn.allows()


async def test_work_within_work_is_not_too_deep() -> None:
    turn = Turn()
    while turn.allows():
        turn.depth += 1
    assert 1 < turn.depth < 20
    turn.depth = 0
    assert turn.allows()
