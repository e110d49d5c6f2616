"""Streams on a real NATS server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import nats
import pytest
from nats.aio.client import Client
from nats.js.api import ConsumerConfig, ConsumerInfo, StreamConfig

from pillion.errors import ConfigurationError, SidecarError
from pillion.sidecar.nats import REPLIES, is_left_behind, make_streams
from pillion.sidecar.ports import free_port
from tests.servers import Server

pytestmark = pytest.mark.nats


@pytest.fixture
def url(nats_server: Server) -> str:
    return f"nats://{nats_server.address}"


@pytest.fixture
async def client(url: str) -> AsyncIterator[Client]:
    client = await nats.connect(url)
    yield client
    await client.close()


def topic() -> str:
    return f"payments-{uuid4().hex}.v1.charged"


async def test_a_topic_gets_a_stream_of_its_own(url: str, client: Client) -> None:
    name = topic()
    await make_streams(url, [name, REPLIES])
    info = await client.jetstream().stream_info(name.replace(".", "_"))
    assert info.config.subjects == [name]
    assert (await client.jetstream().stream_info("replies")).config.subjects == ["replies.>"]


async def test_a_stream_that_is_there_stays_as_it_is(url: str, client: Client) -> None:
    name, mine = topic(), uuid4().hex
    await client.jetstream().add_stream(StreamConfig(mine, subjects=[name], max_msgs=5))
    await make_streams(url, [name])
    assert await client.jetstream().find_stream_name_by_subject(name) == mine
    assert (await client.jetstream().stream_info(mine)).config.max_msgs == 5


async def test_a_stream_of_several_topics_is_refused(url: str, client: Client) -> None:
    one, other = topic(), topic()
    await client.jetstream().add_stream(StreamConfig(uuid4().hex, subjects=[one, other]))
    with pytest.raises(ConfigurationError, match="a stream of its own"):
        await make_streams(url, [one])


async def test_a_server_that_is_away_is_an_error_of_the_sidecar() -> None:
    with pytest.raises(SidecarError, match="NATS"):
        await make_streams(f"nats://127.0.0.1:{free_port()}", ["some.topic"])


@pytest.mark.parametrize(
    ("name", "age", "bound", "left"),
    [
        ("replies-1", timedelta(hours=2), None, True),
        ("broadcast-1", timedelta(hours=2), None, True),
        ("broadcast-1", timedelta(hours=2), True, False),
        ("replies-1", timedelta(minutes=2), None, False),
        ("payments", timedelta(hours=2), None, False),
    ],
)
def test_consumers_of_stopped_sidecars_are_left_behind(name: str, age: timedelta, bound: bool, left: bool) -> None:
    created = datetime.now(UTC) - age
    consumer = ConsumerInfo(name=name, stream_name="s", config=ConsumerConfig(), created=created, push_bound=bound)
    assert is_left_behind(consumer) == left
