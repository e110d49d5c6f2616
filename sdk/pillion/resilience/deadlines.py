"""Many deadlines on one timer of the event loop.

A timer per message costs more than handling a small message does, and most are cancelled before they fire. Here a
deadline is an entry in a dict, and the loop has one timer for the earliest of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count
from time import monotonic

# Timers may fire a little early; what is due within this time, in seconds, is due.
_RESOLUTION = 0.001


class Deadlines:
    """Calls back when a time has passed. Belongs to one event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._tokens = count()
        self._entries: dict[int, tuple[float, Callable[..., None], tuple[object, ...]]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._next = float("inf")

    def after(self, seconds: float, expire: Callable[..., None], *arguments: object) -> int:
        """Call ``expire`` with the arguments when these seconds have passed; the token takes it back."""
        due = monotonic() + seconds
        token = next(self._tokens)
        self._entries[token] = (due, expire, arguments)
        if due < self._next:
            self._schedule(due)
        return token

    def cancel(self, token: int) -> None:
        """Take a deadline back; does nothing when it has passed."""
        self._entries.pop(token, None)

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
        expired = [token for token, (due, _, _) in self._entries.items() if due <= now]
        for token in expired:
            entry = self._entries.pop(token, None)
            if entry is not None:
                entry[1](*entry[2])
        if self._entries:
            earliest = min(due for due, _, _ in self._entries.values())
            if earliest < self._next:
                self._schedule(earliest)
