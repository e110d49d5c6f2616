"""Time, as far as anything may depend on it; tests bring a clock of their own."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time and waits."""

    def now(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait that long."""


class SystemClock:
    """The clock of the operating system."""

    # The function itself, without one of ours around it: every message asks for the time three times.
    now = staticmethod(time.time)

    async def sleep(self, seconds: float) -> None:
        """Wait that long, without blocking anybody."""
        await asyncio.sleep(seconds)
