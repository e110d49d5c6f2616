"""Work that one caller waits for: when the caller gives up, it is cancelled, or not begun."""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec import Struct


class Work(Struct, kw_only=True, eq=False):
    """Work of a task that does other work before and after it.

    Attributes:
        worker: the task that does it now, if it may be cancelled; None otherwise.
        abandoned: nobody waits for it any more.
    """

    worker: asyncio.Task[Any] | None = None
    abandoned: bool = False

    def begin(self, worker: asyncio.Task[Any] | None) -> None:
        """This task, the current one, does it from now on, and may be cancelled."""
        self.worker = worker

    def end(self) -> bool:
        """It is over. Whether the cancellation that came was for this work alone, so that the task goes on."""
        worker, self.worker = self.worker, None
        return self.abandoned and worker is not None and worker.uncancel() == 0

    def abandon(self) -> None:
        """Nobody waits for it any more."""
        self.abandoned = True
        if self.worker is not None:
            self.worker.cancel()
