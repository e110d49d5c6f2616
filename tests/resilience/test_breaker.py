"""A breaker refuses calls of what fails again and again, and finds out by one call whether it works again."""

from __future__ import annotations

import asyncio

import pytest

from pillion.errors import BridgeError, DeclarationError, Failure, InternalError, PillionError, Unavailable
from pillion.resilience.breaker import Breaker, Circuits
from pillion.testing.clock import FakeClock


class Declined(Failure):
    """An answer."""


class Callee:
    """Fails with ``error`` until it is None; counts its calls."""

    def __init__(self, error: PillionError | None) -> None:
        self.error = error
        self.calls = 0

    async def answer(self) -> str:
        self.calls += 1
        if self.error is not None:
            raise self.error
        return "yes"


async def fail(circuits: Circuits, callee: Callee, times: int, address: str = "a.v1.b") -> None:
    for _ in range(times):
        with pytest.raises(PillionError):
            await circuits.protect(address, callee.answer())


@pytest.fixture
def circuits(clock: FakeClock) -> Circuits:
    return Circuits(Breaker(failures=3, pause=10), clock)


@pytest.mark.parametrize("error", [InternalError(correlation_id="1"), BridgeError("x"), Unavailable(reason="x")])
async def test_it_opens_after_so_many_failures_in_a_row(circuits: Circuits, error: PillionError) -> None:
    callee = Callee(error)
    await fail(circuits, callee, 3)
    with pytest.raises(Unavailable, match=r"a\.v1\.b failed 3 times in a row and is not called for another 10\.0 s"):
        await circuits.protect("a.v1.b", callee.answer())
    assert callee.calls == 3


async def test_a_success_in_between_keeps_it_closed(circuits: Circuits) -> None:
    callee = Callee(BridgeError("x"))
    await fail(circuits, callee, 2)
    callee.error = None
    assert await circuits.protect("a.v1.b", callee.answer()) == "yes"
    callee.error = BridgeError("x")
    await fail(circuits, callee, 2)
    callee.error = None
    assert await circuits.protect("a.v1.b", callee.answer()) == "yes"


async def test_a_declared_failure_is_an_answer(circuits: Circuits) -> None:
    callee = Callee(Declined())
    await fail(circuits, callee, 10)
    assert callee.calls == 10


async def test_each_command_has_a_circuit_of_its_own(circuits: Circuits) -> None:
    await fail(circuits, Callee(BridgeError("x")), 3)
    assert await circuits.protect("a.v1.other", Callee(None).answer()) == "yes"


async def test_one_call_finds_out_after_the_pause_and_others_are_refused(circuits: Circuits, clock: FakeClock) -> None:
    callee = Callee(BridgeError("x"))
    await fail(circuits, callee, 3)
    await clock.advance(10)
    first = circuits.protect("a.v1.b", Waiting(clock).answer())
    trial = asyncio.ensure_future(first)
    await clock.until_asleep()
    await fail(circuits, callee, 1)
    assert callee.calls == 3
    await clock.skip()
    assert await trial == "late"
    callee.error = None
    assert await circuits.protect("a.v1.b", callee.answer()) == "yes"


async def test_a_trial_that_fails_begins_another_pause(circuits: Circuits, clock: FakeClock) -> None:
    callee = Callee(BridgeError("x"))
    await fail(circuits, callee, 3)
    await clock.advance(10)
    await fail(circuits, callee, 3)
    assert callee.calls == 4
    await clock.advance(10)
    callee.error = None
    assert await circuits.protect("a.v1.b", callee.answer()) == "yes"


@pytest.mark.parametrize("values", [{"failures": 0}, {"pause": 0}])
def test_values_out_of_range_are_refused(values: dict[str, int]) -> None:
    with pytest.raises(DeclarationError, match="Breaker"):
        Breaker(**values)


class Waiting:
    """Answers late."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock

    async def answer(self) -> str:
        await self._clock.sleep(1)
        return "late"
