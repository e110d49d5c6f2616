"""Messages of one subject share a partition of Kafka, whichever way they leave and whatever the subject is."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from pillion.bridges.dapr.publisher import Publisher
from pillion.bridges.dapr.wire import RAW_PUBLISH, bulk_publish, publish_query
from pillion.message import Message
from pillion.ports.bridge import Outgoing
from pillion.sidecar.channel import SidecarChannel
from pillion.sidecar.ports import free_port
from pillion.sidecar.process import Daprd, DaprdOptions
from pillion.sidecar.settings import SidecarSettings
from tests.daprd import require_daprd
from tests.profiles import copy_configuration, copy_profile
from tests.servers import Server

TOPIC = "keys"
# The last ones may not stand in an HTTP header as they are.
SUBJECTS = ("order-1", "order-2", "order-3", "order-4", "grün", "two\nlines")


class Partitions:
    """An application that notes which partitions the messages of each key came from, one message at a time."""

    def __init__(self) -> None:
        self.port = free_port()
        self.seen: dict[str, list[str]] = defaultdict(list)
        self.heard = asyncio.Condition()

    async def start(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_get("/dapr/subscribe", self._subscribe)
        app.router.add_post("/keys", self._take)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        return runner

    async def until(self, messages: int) -> None:
        async with asyncio.timeout(60), self.heard:
            await self.heard.wait_for(lambda: sum(map(len, self.seen.values())) >= messages)

    async def _subscribe(self, _: web.Request) -> web.Response:
        return web.json_response([{"pubsubname": "pubsub", "topic": TOPIC, "route": "/keys"}])

    async def _take(self, request: web.Request) -> web.Response:
        event: dict[str, Any] = await request.json()
        async with self.heard:
            self.seen[event["subject"]].append(request.headers["__partition"])
            self.heard.notify_all()
        return web.json_response({"status": "SUCCESS"})


def message(subject: str) -> Message:
    return Message(id="1", source="test", type="keys.v1", specversion="1.0", subject=subject)


@pytest_asyncio.fixture
async def partitions(kafka_server: Server, tmp_path: Path) -> AsyncIterator[tuple[Partitions, Publisher]]:
    require_daprd()
    partitions = Partitions()
    runner = await partitions.start()
    options = DaprdOptions(
        app_id="keys",
        app_port=partitions.port,
        resources_paths=(copy_profile("kafka", tmp_path, kafka=kafka_server.address),),
        config_path=copy_configuration(tmp_path),
        flags=("--dapr-block-shutdown-duration", "0s"),
    )
    channel = SidecarChannel(SidecarSettings(http_address=options.endpoint))
    async with Daprd(options):
        await channel.start()
        publisher = Publisher(channel, unprepared)
        publisher.keyed = {"pubsub"}
        yield partitions, publisher
        await channel.close()
    await runner.cleanup()


async def unprepared(component: str, topic: str) -> None:
    """Kafka needs nothing before."""


@pytest.mark.daprd
@pytest.mark.kafka
@pytest.mark.timeout(150)
async def test_messages_of_one_subject_share_a_partition(partitions: tuple[Partitions, Publisher]) -> None:
    app, publisher = partitions
    for subject in SUBJECTS:
        await publisher.publish([Outgoing(TOPIC, message(subject))])
    await publisher.publish([Outgoing(TOPIC, message(subject)) for subject in SUBJECTS * 4])
    await app.until(len(SUBJECTS) * 5)
    assert {subject: len(set(seen)) for subject, seen in app.seen.items()} == dict.fromkeys(SUBJECTS, 1)
    assert len({seen[0] for seen in app.seen.values()}) > 1  # not all in the same one


def test_a_message_without_a_subject_says_nothing_of_keys() -> None:
    assert publish_query(None) == RAW_PUBLISH
    assert b"metadata" not in bulk_publish([(b"{}", None)])
