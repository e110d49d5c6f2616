from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from pillion.cli.readiness import until_ready
from pillion.sidecar.ports import free_port


@asynccontextmanager
async def app(*statuses: int) -> AsyncIterator[str]:
    """An app that answers with these, one after another, and with the last one from then on; its address."""
    left = list(statuses)

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=left.pop(0) if len(left) > 1 else left[0], text="no database")

    application = web.Application()
    application.router.add_get("/readyz", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    address = f"127.0.0.1:{free_port()}"
    await web.TCPSite(runner, "127.0.0.1", int(address.rpartition(":")[2])).start()
    try:
        yield address
    finally:
        await runner.cleanup()


async def test_an_app_is_waited_for_until_it_is_ready() -> None:
    told: list[str] = []
    async with app(503, 503, 200) as address:
        await until_ready(address, told.append)
    assert told == []


async def test_an_app_without_the_path_is_ready() -> None:
    async with app(404) as address:
        await until_ready(address, print)


async def test_what_keeps_it_is_told_once() -> None:
    told: list[str] = []
    async with app(503, 503, 503, 200) as address:
        await until_ready(address, told.append, patience=0)
    assert told == ["no database"]


async def test_an_app_that_does_not_listen_is_not_ready() -> None:
    told: asyncio.Queue[str] = asyncio.Queue()
    waiting = asyncio.create_task(until_ready(f"127.0.0.1:{free_port()}", told.put_nowait, patience=0))
    assert "Connect" in await told.get()
    waiting.cancel()
