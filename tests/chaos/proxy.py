"""A TCP proxy that holds up what passes: how a broker is made slow."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Self

_CHUNK = 1 << 16


class Proxy:
    """Listens on 127.0.0.1 and passes everything on, each piece after a delay.

    Args:
        port: where it listens itself.
        behind: where the server behind it listens.

    Attributes:
        port: see above.
        delay: seconds that each piece of data is held up, in both directions; may be changed at any time.
    """

    def __init__(self, port: int, behind: int, delay: float = 0.0) -> None:
        self.port = port
        self.delay = delay
        self._behind = behind
        self._server: asyncio.Server | None = None
        self._running: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in tuple(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", self._behind)
            try:
                await self._both(self._pass(reader, behind_writer), self._pass(behind_reader, writer))
            finally:
                behind_writer.close()
        except (OSError, asyncio.CancelledError):
            pass  # a side went away, or the proxy ends: told by the close; asyncio would log the cancellation
        finally:
            writer.close()
            self._running.discard(task)

    async def _both(self, *directions: Coroutine[Any, Any, None]) -> None:
        """Until one of them ends."""
        tasks = [asyncio.ensure_future(direction) for direction in directions]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            if self.delay:
                await asyncio.sleep(self.delay)
            writer.write(data)
            await writer.drain()
