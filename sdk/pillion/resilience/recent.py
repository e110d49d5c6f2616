"""Recent: what came within the last moments, without remembering all that ever came."""

from __future__ import annotations

from typing import Generic, TypeVar

from pillion.ports.clock import Clock

T = TypeVar("T")


class Recent(Generic[T]):
    """Remembers what is added for at least half of a time, and at most for the whole of it.

    Args:
        clock: tells the time.
        seconds: the time.
    """

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._now = clock.now
        self._half = seconds / 2
        self._turned = clock.now()
        self._new: set[T] = set()
        self._old: set[T] = set()

    def __contains__(self, item: object) -> bool:
        self._turn()
        return item in self._new or item in self._old

    def add(self, item: T) -> None:
        """Remember it from now on."""
        self._turn()
        self._new.add(item)

    def _turn(self) -> None:
        past = self._now() - self._turned
        if past >= self._half:
            self._old = self._new if past < 2 * self._half else set()
            self._new, self._turned = set(), self._now()
