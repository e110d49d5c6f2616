"""A pause for a subscription whose messages all fail: what is the matter is not the messages."""

from __future__ import annotations

from dataclasses import dataclass

from pillion.errors import DeclarationError
from pillion.outcome import Backoff
from pillion.ports.clock import Clock


@dataclass(frozen=True, slots=True)
class Pause:
    """When a subscription stops taking messages, and for how long.

    Attributes:
        failures: so many failed attempts in a row, of whatever messages, begin a pause. Default 20.
        wait: how long the first and the longest pause are; each that follows without a success in between is twice as
            long. Default ``"1s..1m"``.

    Raises:
        DeclarationError: a value is not valid.
    """

    failures: int = 20
    wait: str = "1s..1m"

    def __post_init__(self) -> None:
        if self.failures < 1:
            raise DeclarationError("Pause: failures must be at least 1")
        if Backoff.parse(self.wait).first <= 0:
            raise DeclarationError(f'Pause: wait="{self.wait}" is no time to pause for; write a range such as "1s..1m"')


class Gate:
    """Lets messages pass, or holds them while the subscription pauses.

    Args:
        policy: when it pauses.
        clock: tells the time and waits.
    """

    def __init__(self, policy: Pause, clock: Clock) -> None:
        self._limit = policy.failures
        self._backoff = Backoff.parse(policy.wait)
        self._clock = clock
        self._failures = 0
        self._pauses = 0
        self._until = 0.0
        self._trial = False

    @property
    def paused(self) -> bool:
        """Whether it holds messages."""
        return self._pauses > 0

    @property
    def until(self) -> float:
        """When the pause ends, seconds since 1970-01-01 UTC."""
        return self._until

    async def enter(self, patience: float) -> bool:
        """Wait until the subscription goes on, at most ``patience`` seconds; whether it does.

        After a pause one message goes first, to see whether handlers work again.
        """
        limit = self._clock.now() + patience
        while self.paused:
            now = self._clock.now()
            if now >= self._until and not self._trial:
                self._trial = True
                return True
            if now >= limit:
                return False
            await self._clock.sleep(max(0.01, min(self._until - now if now < self._until else 0.1, limit - now)))
        return True

    def passed(self) -> bool:
        """An attempt worked; whether that ended a pause."""
        resumed = self.paused
        self._failures = self._pauses = 0
        self._trial = False
        return resumed

    def failed(self) -> bool:
        """An attempt failed; whether that begins a pause."""
        self._failures += 1
        begins = self._trial or (not self.paused and self._failures >= self._limit)
        self._trial = False
        if begins:
            self._pauses += 1
            self._until = self._clock.now() + self._backoff.wait(self._pauses)
        return begins

    def left(self) -> None:
        """The message that went first ended without telling anything; another may go first."""
        self._trial = False
