"""The present time as a ``datetime``, which takes longer to make than a message does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

# Seconds; no deadline is met more exactly.
_SAME = 0.001


class Present:
    """Tells the time of messages; those that are made within a millisecond share one.

    Args:
        now: seconds since 1970-01-01 UTC.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._told = now()
        self._time = datetime.fromtimestamp(self._told, UTC)

    def time(self) -> datetime:
        """The time, at most a millisecond ago."""
        now = self._now()
        if not 0 <= now - self._told < _SAME:
            self._told = now
            self._time = datetime.fromtimestamp(now, UTC)
        return self._time
