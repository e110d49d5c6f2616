"""A gate holds messages while their subscription pauses, and lets one through to find out whether it may go on."""

from __future__ import annotations

import asyncio

import pytest

from pillion.errors import DeclarationError
from pillion.resilience.pause import Gate, Pause
from pillion.testing.clock import FakeClock


@pytest.fixture
def gate(clock: FakeClock) -> Gate:
    return Gate(Pause(failures=2, wait="1s..4s"), clock)


def paused(gate: Gate) -> Gate:
    assert (gate.failed(), gate.failed()) == (False, True)
    return gate


async def test_it_pauses_after_so_many_failures_in_a_row(gate: Gate, clock: FakeClock) -> None:
    assert not gate.failed()
    assert not gate.passed()
    assert not gate.failed()
    assert not gate.paused
    assert gate.failed()
    assert (gate.paused, gate.until) == (True, clock.now() + 1)


async def test_who_has_no_patience_is_sent_away(gate: Gate, clock: FakeClock) -> None:
    began = clock.now()
    assert not await paused(gate).enter(0)
    assert clock.now() == began


async def test_one_goes_first_and_the_others_follow_when_it_worked(gate: Gate, clock: FakeClock) -> None:
    paused(gate)
    entered = [asyncio.ensure_future(gate.enter(10)) for _ in range(3)]
    await clock.until_asleep(3)
    await clock.advance(1)
    await asyncio.wait(entered, return_when=asyncio.FIRST_COMPLETED)
    assert [task.done() for task in entered].count(True) == 1
    assert gate.passed()
    await clock.advance(0.1)
    assert await asyncio.gather(*entered) == [True] * 3


async def test_each_pause_without_a_success_in_between_is_longer(gate: Gate, clock: FakeClock) -> None:
    paused(gate)
    for seconds in (2, 4, 4):
        await clock.advance(gate.until - clock.now())
        assert await gate.enter(0)
        assert gate.failed()
        assert gate.until - clock.now() == seconds
    await clock.advance(4)
    assert await gate.enter(0)
    assert gate.passed()
    paused(gate)
    assert gate.until - clock.now() == 1


async def test_when_the_first_ends_without_a_result_another_goes_first(gate: Gate, clock: FakeClock) -> None:
    paused(gate)
    await clock.advance(1)
    assert await gate.enter(0)
    assert not await gate.enter(0)
    gate.left()
    assert await gate.enter(0)


@pytest.mark.parametrize("values", [{"failures": 0}, {"wait": "soon"}, {"wait": "0s"}, {"wait": "0s..1m"}])
def test_values_that_are_not_valid_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(DeclarationError):
        Pause(**values)  # type: ignore[arg-type]
