"""Writes down each event that it has handled, so that a test that kills it can count."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from pillion import Contract, Service

source = Contract("source")
told = source.event("told", int)
counter = Service("counter")


@counter.on(told, concurrency=10)
async def count(number: int) -> None:
    await asyncio.sleep(0.05)
    with Path(os.environ["COUNT_FILE"]).open("a", encoding="utf-8") as file:  # noqa: ASYNC230 - a short line
        file.write(f"{number}\n")
