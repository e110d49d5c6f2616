"""Waiting for the sidecar never blocks, and its metadata are typed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from pillion.errors import SidecarError
from pillion.sidecar.channel import SidecarChannel
from pillion.sidecar.health import ActiveSubscription, Component, RoutingRule, metadata, wait_gone, wait_outbound
from pillion.sidecar.ports import free_port
from pillion.sidecar.settings import SidecarSettings

METADATA = {
    "id": "orders",
    "runtimeVersion": "1.18.2",
    "components": [{"name": "pubsub", "type": "pubsub.redis", "version": "v1", "capabilities": ["X"], "new": 1}],
    "subscriptions": [
        {
            "pubsubname": "pubsub",
            "topic": "a",
            "rules": [{"match": "has(event.x)", "path": "/a"}, {"path": "/b"}],
            "deadLetterTopic": "d",
            "type": "DECLARATIVE",
        }
    ],
    "extended": {"any": "thing"},
}


class Peer:
    """A sidecar that becomes healthy when told."""

    def __init__(self) -> None:
        self.port = free_port()
        self.healthy = False
        self.metadata: object = METADATA
        self._runner = web.AppRunner(self._app(), access_log=None)

    async def start(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def close(self) -> None:
        await self._runner.cleanup()

    def _app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/v1.0/healthz/outbound", self._health)
        app.router.add_get("/v1.0/metadata", self._metadata)
        return app

    async def _health(self, request: web.Request) -> web.Response:
        return web.Response(status=204 if self.healthy else 500)

    async def _metadata(self, request: web.Request) -> web.Response:
        return web.json_response(self.metadata)


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    peer = Peer()
    yield peer
    await peer.close()


@pytest.fixture
async def channel(peer: Peer) -> AsyncIterator[SidecarChannel]:
    channel = SidecarChannel(SidecarSettings(http_address=f"http://127.0.0.1:{peer.port}"))
    await channel.start()
    yield channel
    await channel.close()


async def test_a_healthy_sidecar_is_not_waited_for(peer: Peer, channel: SidecarChannel) -> None:
    peer.healthy = True
    await peer.start()
    await wait_outbound(channel)


async def test_a_sidecar_may_start_later_and_load_for_a_while(peer: Peer, channel: SidecarChannel) -> None:
    reports: asyncio.Queue[str] = asyncio.Queue()
    waiting = asyncio.create_task(wait_outbound(channel, report=reports.put_nowait, report_every=0))
    assert "no answer from the sidecar" in await reports.get()
    await peer.start()
    while "it answers 500, so its components are still loading" not in await reports.get():
        pass
    assert not waiting.done()
    peer.healthy = True
    await waiting


async def test_waiting_is_reported_now_and_then_only(peer: Peer, channel: SidecarChannel) -> None:
    reports: list[str] = []
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await wait_outbound(channel, report=reports.append)
    assert reports == []


async def test_waiting_can_be_ended(peer: Peer, channel: SidecarChannel) -> None:
    waiting = asyncio.create_task(wait_outbound(channel))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_metadata_are_typed(peer: Peer, channel: SidecarChannel) -> None:
    await peer.start()
    found = await metadata(channel)
    assert (found.id, found.runtime_version) == ("orders", "1.18.2")
    assert found.component("pubsub") == Component(name="pubsub", type="pubsub.redis", version="v1", capabilities=("X",))
    assert found.component("state") is None
    assert found.subscriptions == (
        ActiveSubscription(
            pubsub="pubsub",
            topic="a",
            rules=(RoutingRule(path="/a", match="has(event.x)"), RoutingRule(path="/b")),
            dead_letter_topic="d",
            type="DECLARATIVE",
        ),
    )


async def test_metadata_may_be_empty(peer: Peer, channel: SidecarChannel) -> None:
    peer.metadata = {}
    await peer.start()
    assert (await metadata(channel)).components == ()


async def test_an_answer_of_something_else_is_told(peer: Peer, channel: SidecarChannel) -> None:
    peer.metadata = ["not", "dapr"]
    await peer.start()
    with pytest.raises(SidecarError, match=r"is http://127\.0\.0\.1:.* a Dapr sidecar"):
        await metadata(channel)


async def test_a_sidecar_that_is_gone_is_not_waited_for(channel: SidecarChannel) -> None:
    await wait_gone(channel)


async def test_a_sidecar_that_answers_is_not_gone(peer: Peer, channel: SidecarChannel) -> None:
    await peer.start()
    waiting = asyncio.ensure_future(wait_gone(channel))
    await asyncio.wait([waiting], timeout=0.1)
    assert not waiting.done()
    await peer.close()
    await waiting
