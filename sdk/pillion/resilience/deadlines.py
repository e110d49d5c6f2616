"""Many deadlines on one timer of the event loop.

A timer per message costs more than handling a small message does, and most are cancelled before they fire. Here a
deadline is an entry in a dict, and the loop has one timer for the earliest of them.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Protocol

# Timers may fire a little early; what is due within this time, in seconds, is due.
_RESOLUTION = 0.001


class Expiring(Protocol):
    """What has a deadline; it is told apart from others by identity, so it must not define equality."""

    def expire(self) -> None:
        """Its time is over."""


class Deadlines:
    """Tells when a time has passed. Belongs to one event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._entries: dict[Expiring, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._next = float("inf")

    def after(self, seconds: float, expiring: Expiring) -> None:
        """Let it expire when these seconds have passed; a deadline that it has already is forgotten."""
        self._entries[expiring] = due = monotonic() + seconds
        if due < self._next:
            self._schedule(due)

    def cancel(self, expiring: Expiring) -> None:
        """Take its deadline back; does nothing when it has none, or it has passed."""
        self._entries.pop(expiring, None)

    def close(self) -> None:
        """Forget all deadlines."""
        self._entries.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _schedule(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next = due
        self._timer = self._loop.call_later(due - monotonic(), self._sweep)

    def _sweep(self) -> None:
        self._timer = None
        self._next = float("inf")
        now = monotonic() + _RESOLUTION
        for expiring in [expiring for expiring, due in self._entries.items() if due <= now]:
            # One that expires may take others back.
            if self._entries.pop(expiring, None) is not None:
                expiring.expire()
        if self._entries:
            earliest = min(self._entries.values())
            if earliest < self._next:
                self._schedule(earliest)
