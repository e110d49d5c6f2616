"""Marks on records whose messages have left, written a little later, many at once; nobody waits for them."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from pillion.errors import PillionError
from pillion.ports.clock import Clock
from pillion.ports.store import StateStore, Upsert
from pillion.resilience.record import Record

# Seconds.
_LINGER = 0.05


class Marks:
    """The marks that are not written yet.

    Args:
        store: of the records.
        clock: tells which records are still kept.
    """

    def __init__(self, store: StateStore, clock: Clock) -> None:
        self._store = store
        self._now = clock.now
        self._waiting: dict[str, Record] = {}
        self._leaving: dict[str, Record] = {}
        self._writer: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()

    def add(self, record: Record) -> None:
        """The messages of this record have left."""
        self._waiting[record.key] = record.marked()
        if self._writer is None:
            self._writer = asyncio.get_running_loop().create_task(self._write_all())

    def known(self, record: Record) -> Record:
        """A record that was read, as this process knows it: its mark may be on its way to the store."""
        return self._waiting.get(record.key) or self._leaving.get(record.key) or record

    async def close(self) -> None:
        """Write what is left. Safe to call twice."""
        self._hurry.set()
        if self._writer is not None:
            await self._writer

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LINGER):
                        await self._hurry.wait()
                self._leaving, self._waiting = self._waiting, {}
                await self._write(self._leaving)
        finally:
            self._leaving = {}
            self._writer = None

    async def _write(self, batch: dict[str, Record]) -> None:
        now = self._now()
        alive = [record for record in batch.values() if record.expires > now]
        # A mark that is not written costs no more than a message that leaves twice.
        with suppress(PillionError):
            await self._store.write([Upsert(it.key, it.encode(), ttl=it.expires - now) for it in alive])
