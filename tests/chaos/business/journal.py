"""The oracle's journal: one line for each effect that a handler came to, outside of everything under test."""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pillion import Context, Setup

FILE = "CHAOS_JOURNAL"


class Journal:
    """A file that several processes append lines to; a line survives the SIGKILL of its writer.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)

    def record(self, context: Context[Any, Any], effect: str, order: int) -> None:
        """Write that this execution came to this effect."""
        line = {
            "time": time.time(),
            "order": order,
            "effect": effect,
            "pid": os.getpid(),
            "attempt": context.message.attempt,
            "message": context.message.id,
        }
        self._file.write(json.dumps(line).encode() + b"\n")  # one write: lines of several processes do not mix

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@asynccontextmanager
async def journal(_: Setup[Any]) -> AsyncIterator[Journal]:
    """The journal that the environment names, as a service's resource."""
    opened = Journal(Path(os.environ[FILE]))
    try:
        yield opened
    finally:
        opened.close()
