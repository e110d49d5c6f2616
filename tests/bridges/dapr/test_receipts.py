"""A sidecar's component that calls accepted what its broken connection never brought to the broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web

from pillion.bridges.dapr.publisher import Publisher
from pillion.bridges.dapr.receipts import TOPIC, Receipts
from pillion.message import Message
from pillion.ports.bridge import Outgoing
from pillion.sidecar.channel import SidecarChannel
from pillion.sidecar.ports import free_port
from pillion.sidecar.settings import SidecarSettings

RECONNECT_SECONDS = 3.0


class Broker:
    """Behaves as daprd with RabbitMQ's component does; ``stored`` are the topics of what the broker has."""

    def __init__(self) -> None:
        self.stored: list[str] = []
        self.dying = False
        self._broken = False

    async def take(self, request: web.Request) -> web.Response:
        if self._broken:
            await asyncio.sleep(RECONNECT_SECONDS)
            self._broken = False
        if self.dying:
            self.dying, self._broken = False, True
        else:
            self.stored.append(request.match_info["topic"])
        return web.Response(status=204)


class World:
    """A publisher beside such a sidecar."""

    def __init__(self, channel: SidecarChannel) -> None:
        self.broker = Broker()
        self.receipts = Receipts(channel, {"pubsub"})
        self.publisher = Publisher(channel)
        self.publisher.receipts = self.receipts


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    port = free_port()
    channel = SidecarChannel(SidecarSettings(http_address=f"http://127.0.0.1:{port}"))
    world = World(channel)
    app = web.Application()
    app.router.add_post("/v1.0/publish/{component}/{topic}", world.broker.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await channel.start()
    yield world
    await channel.close()
    await runner.cleanup()


def outgoing(topic: str = "orders", component: str = "pubsub") -> Outgoing:
    return Outgoing(topic, Message(id="1", source="test", type="a.v1.b", specversion="1.0"), component)


@pytest.mark.slow
async def test_what_the_broker_may_not_have_is_sent_again(world: World) -> None:
    world.broker.dying = True
    await world.publisher.publish([outgoing()])
    assert "orders" in world.broker.stored


async def test_what_it_has_is_sent_once(world: World) -> None:
    await world.publisher.publish([outgoing()])
    assert world.broker.stored == ["orders", TOPIC]


async def test_calls_and_other_components_need_no_receipt(world: World) -> None:
    await world.publisher.publish([outgoing()], sure=False)
    await world.publisher.publish([outgoing(component="replies")])
    assert world.broker.stored == ["orders", "orders"]


async def test_many_share_a_receipt(world: World) -> None:
    begun = asyncio.get_running_loop().time()
    assert all(await asyncio.gather(*(world.receipts.came("pubsub", begun) for _ in range(20))))
    assert world.broker.stored == [TOPIC]


async def test_what_was_accepted_while_one_is_in_flight_waits_for_the_next(world: World) -> None:
    begun = asyncio.get_running_loop().time()
    first = asyncio.create_task(world.receipts.came("pubsub", begun))
    await asyncio.sleep(0)  # it is created
    await asyncio.sleep(0)  # it is in flight
    assert await world.receipts.came("pubsub", begun)
    assert await first
    assert world.broker.stored == [TOPIC, TOPIC]
