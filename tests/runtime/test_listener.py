from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Sequence

import aiohttp
import pytest

from pillion.errors import ConfigurationError
from pillion.ports.channel import Channel, Request, Response
from pillion.runtime.listener import Listener


class Echo:
    """A channel that answers with what it was asked."""

    async def handle(self, request: Request) -> Response:
        told = {"method": request.method, "path": request.path, "kind": request.headers.get("x-kind")}
        return Response(201, json.dumps(told).encode() + b"|" + request.body, "text/plain", (("x-mine", "1"),))


@contextlib.asynccontextmanager
async def listening(
    channel: Channel | None = None, problems: Sequence[str] = (), limit: int = 1000
) -> AsyncIterator[tuple[aiohttp.ClientSession, int]]:
    async def asked() -> Sequence[str]:
        return problems

    listener = Listener("127.0.0.1", 0, asked, channel, limit)
    port = await listener.start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            yield session, port
    finally:
        await listener.stop()


async def test_it_is_alive() -> None:
    async with listening(problems=["no sidecar"]) as (session, _), session.get("/healthz") as answer:
        assert (answer.status, await answer.json()) == (200, {"status": "alive"})


async def test_it_is_ready_without_problems() -> None:
    async with listening() as (session, _), session.get("/readyz") as answer:
        assert (answer.status, await answer.json()) == (200, {"status": "ready", "problems": []})


async def test_problems_are_named_by_readiness() -> None:
    async with listening(problems=["no sidecar"]) as (session, _), session.get("/readyz") as answer:
        assert (answer.status, await answer.json()) == (503, {"status": "not ready", "problems": ["no sidecar"]})


async def test_everything_else_goes_to_the_channel() -> None:
    async with (
        listening(Echo()) as (session, _),
        session.post("/a/b", data=b"body", headers={"X-Kind": "test"}) as answer,
    ):
        assert (answer.status, answer.content_type, answer.headers["x-mine"]) == (201, "text/plain", "1")
        assert await answer.read() == b'{"method": "POST", "path": "/a/b", "kind": "test"}|body'


async def test_without_a_channel_it_says_what_is_served() -> None:
    async with listening() as (session, _), session.post("/a", data=b"body") as answer:
        assert answer.status == 503
        assert "no sidecar" in await answer.text()


@pytest.mark.parametrize(("size", "status"), [(1000, 201), (1001, 413), (300_000, 413)])
async def test_a_body_may_be_as_large_as_the_limit(size: int, status: int) -> None:
    async with listening(Echo()) as (session, _), session.post("/a", data=b"a" * size) as answer:
        assert answer.status == status


async def test_a_body_in_chunks_is_put_together() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b"chunk"

    async with listening(Echo()) as (session, _), session.post("/a", data=chunks()) as answer:
        assert (await answer.read()).endswith(b"|" + b"chunk" * 5)


async def test_a_body_in_chunks_has_the_same_limit() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(101):
            yield b"ten bytes!"

    async with listening(Echo()) as (session, _), session.post("/a", data=chunks()) as answer:
        assert answer.status == 413


async def test_a_port_in_use_is_refused() -> None:
    async def none() -> Sequence[str]:
        return ()

    async with listening() as (_, port):
        with pytest.raises(ConfigurationError, match=f"cannot listen on 127.0.0.1:{port}"):
            await Listener("127.0.0.1", port, none, None, 1000).start()


async def test_it_listens_when_start_returns() -> None:
    async with listening() as (_, port):
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            pass


async def test_stopping_what_was_not_started_is_harmless() -> None:
    async def none() -> Sequence[str]:
        return ()

    await Listener("127.0.0.1", 0, none, None, 1000).stop()


async def test_a_channel_learns_that_whoever_asked_has_gone() -> None:
    asked, gone = asyncio.Event(), asyncio.Event()

    class Patient:
        async def handle(self, request: Request) -> Response:
            asked.set()
            assert request.gone is not None
            await request.gone()
            gone.set()
            return Response(200, b"")

    async with listening(Patient()) as (session, _):
        asking = asyncio.ensure_future(session.post("/slow", data=b"{}"))
        await asked.wait()
        asking.cancel()
        async with asyncio.timeout(10):
            await gone.wait()


async def test_what_is_in_hand_is_answered_before_it_stops() -> None:
    asked, gate = asyncio.Event(), asyncio.Event()

    class Slow:
        async def handle(self, request: Request) -> Response:
            asked.set()
            await gate.wait()
            return Response(200, b"done")

    async def none() -> Sequence[str]:
        return ()

    listener = Listener("127.0.0.1", 0, none, Slow(), 1000)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{await listener.start()}") as session:
        answer = asyncio.ensure_future(session.post("/slow"))
        await asked.wait()
        stopped = asyncio.ensure_future(listener.stop())
        await asyncio.wait([stopped], timeout=0.05)
        assert not stopped.done()
        gate.set()
        assert await (await answer).read() == b"done"
        await stopped
