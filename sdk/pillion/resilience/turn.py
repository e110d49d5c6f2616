"""How much is done at once before the event loop comes round again."""

from __future__ import annotations

import asyncio
from time import monotonic

# Seconds: others wait so much longer for their turn.
_LONGEST = 0.005
# Work within work; each is a dozen Python calls deep.
_DEEPEST = 8


class Turn:
    """One turn of the event loop, in which work may be done at once: not for too long, and not too deep."""

    def __init__(self) -> None:
        self._over: float | None = None
        self.depth = 0

    def allows(self) -> bool:
        """Whether more may be begun at once."""
        if self._over is None:
            self._over = monotonic() + _LONGEST
            asyncio.get_running_loop().call_soon(self._end)
            return True
        return self.depth < _DEEPEST and monotonic() < self._over

    def _end(self) -> None:
        self._over = None
