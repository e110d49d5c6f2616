"""A service whose handler ends its process; run as a program, given its state file and what it writes attempts to."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from pillion import Context, Contract, Retry, Service
from pillion.bridges.memory.bridge import MemoryBridge
from pillion.ports.clock import SystemClock
from pillion.resilience.letters import Letters
from pillion.runtime.host import Host
from pillion.runtime.settings import HostSettings
from pillion.runtime.stores import Stores
from pillion.stores.sqlite import SQLiteStateStore

TOLD = Contract("source").event("told", int)


async def main(state: Path, attempts: Path) -> None:
    """Take what is parked; end well when it is a dead letter."""
    service = Service("sink")

    @service.on(TOLD, retry=Retry(attempts=3, backoff="1ms"))
    async def hear(ctx: Context, _: int) -> None:
        with attempts.open("a") as file:
            file.write(f"{ctx.message.attempt}\n")
        os._exit(9)

    store = SQLiteStateStore(state)
    letters = Letters(store, service.group, SystemClock())
    settings = HostSettings(instance="sink-0")
    async with Host(service, bridge=MemoryBridge(), stores=Stores(lambda _: store), settings=settings):
        while not await letters.list():  # noqa: ASYNC110 - they are told of no other way
            await asyncio.sleep(0.01)


if __name__ == "__main__":
    asyncio.run(main(*map(Path, sys.argv[1:])))
