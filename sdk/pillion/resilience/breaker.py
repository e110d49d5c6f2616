"""A circuit breaker: what fails again and again is not called for a while.

Source: https://learn.microsoft.com/azure/architecture/patterns/circuit-breaker
"""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from pillion.errors import (
    BridgeError,
    DeadlineExceeded,
    DeclarationError,
    InternalError,
    PillionError,
    Unavailable,
)
from pillion.ports.clock import Clock

T = TypeVar("T")

# Failures that tell of the callee's health; all others are answers.
SICK = (BridgeError, DeadlineExceeded, InternalError, Unavailable)


@dataclass(frozen=True, slots=True)
class Breaker:
    """When calls of one command stop for a while.

    Attributes:
        failures: so many in a row open the circuit: no answer in time, not reachable, or an internal error. Default 5.
        pause: seconds until one call is let through to see whether it works again. Default 10.

    Raises:
        DeclarationError: a value is out of its range.
    """

    failures: int = 5
    pause: float = 10.0

    def __post_init__(self) -> None:
        if self.failures < 1 or self.pause <= 0:
            raise DeclarationError("Breaker: failures must be at least 1 and pause more than 0 seconds")


class Circuit:
    """The state of the calls of one command.

    Args:
        policy: when it opens.
        clock: tells the time.
        address: of the command, for the error.
    """

    def __init__(self, policy: Breaker, clock: Clock, address: str) -> None:
        self._policy = policy
        self._clock = clock
        self._address = address
        self._failures = 0
        self._closed_until_trial = 0.0

    @property
    def open(self) -> bool:
        """Whether calls are refused."""
        return self._failures >= self._policy.failures

    def enter(self) -> None:
        """Ask before a call.

        Raises:
            Unavailable: the circuit is open.
        """
        if not self.open:
            return
        now = self._clock.now()
        if now < self._closed_until_trial:
            raise Unavailable(
                reason=f"{self._address} failed {self._failures} times in a row and is not called for another "
                f"{self._closed_until_trial - now:.1f} s"
            )
        # One call finds out; the others are refused until it has.
        self._closed_until_trial = now + self._policy.pause

    def succeeded(self) -> None:
        """A call was answered."""
        self._failures = 0

    def failed(self, error: PillionError) -> None:
        """A call failed; only what tells of the callee's health counts."""
        if not isinstance(error, SICK):
            return self.succeeded()
        self._failures += 1
        if self.open:
            self._closed_until_trial = self._clock.now() + self._policy.pause
        return None


class Circuits:
    """The circuits of one service, by the command that is called."""

    def __init__(self, policy: Breaker, clock: Clock) -> None:
        self._policy = policy
        self._clock = clock
        self._circuits: dict[str, Circuit] = {}

    async def protect(self, address: str, answer: Coroutine[Any, Any, T]) -> T:
        """Await the answer of a command, or refuse it.

        Raises:
            Unavailable: the circuit is open; the call was not made.
        """
        circuit = self._circuits.get(address)
        if circuit is None:
            circuit = self._circuits[address] = Circuit(self._policy, self._clock, address)
        try:
            circuit.enter()
        except Unavailable:
            answer.close()
            raise
        try:
            result = await answer
        except PillionError as error:
            circuit.failed(error)
            raise
        circuit.succeeded()
        return result
