"""Writes down each event that it has handled, so that a test that kills it can count.

When it has handled enough for that it waits with the others, so that it has some in hand however late the kill comes.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from pillion import Contract, Service

source = Contract("source")
told = source.event("told", int)
counter = Service("counter")

ENOUGH = 40
_POLL_SECONDS = 0.05


@counter.on(told, concurrency=10)
async def count(number: int) -> None:
    file, go_on = Path(os.environ["COUNT_FILE"]), Path(os.environ["GO_ON_FILE"])
    await asyncio.sleep(0.05)
    while len(handled(file)) >= ENOUGH and not go_on.exists():  # noqa: ASYNC110 - another process
        await asyncio.sleep(_POLL_SECONDS)
    with file.open("a", encoding="utf-8") as lines:  # noqa: ASYNC230 - a short line
        lines.write(f"{number}\n")


def handled(file: Path) -> list[int]:
    """What it has written down."""
    return [int(line) for line in file.read_text().splitlines()] if file.exists() else []
