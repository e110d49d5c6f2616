"""Streams are made by the host, beside a real daprd and a real NATS server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import nats
import pytest
import pytest_asyncio
from nats.aio.client import Client
from nats.js.api import ConsumerConfig

from pillion import Contract, Service
from pillion.runtime.settings import HostSettings
from pillion.sidecar.nats import make_streams
from tests.conformance.daprworld import DaprdWorld
from tests.daprd import require_daprd
from tests.profiles import copy_configuration, copy_profile
from tests.servers import Server

pytestmark = [pytest.mark.daprd, pytest.mark.nats]


@pytest_asyncio.fixture
async def world(nats_server: Server, tmp_path: Path) -> AsyncIterator[DaprdWorld]:
    require_daprd()
    profile = copy_profile("nats", tmp_path, nats=nats_server.address)
    async with DaprdWorld(profile, copy_configuration(tmp_path)) as world:
        yield world


@pytest_asyncio.fixture
async def client(nats_server: Server) -> AsyncIterator[Client]:
    client = await nats.connect(f"nats://{nats_server.address}")
    yield client
    await client.close()


async def test_a_topic_has_a_stream_before_its_first_message(world: DaprdWorld, client: Client) -> None:
    told = Contract(world.name("source")).event("told", int)
    host = await world.start(Service(world.name("teller")))
    await host.emit(told, 1)
    info = await client.jetstream().stream_info(told.topic.replace(".", "_"))
    assert info.state.messages == 1


async def test_a_topic_has_one_consumer_for_all_lanes(world: DaprdWorld, client: Client) -> None:
    told, sink = Contract(world.name("source")).event("told", int), Service(world.name("sink"))

    @sink.on(told)
    async def hear(number: int) -> None:
        """Not of interest."""

    await world.start(sink)
    consumers = await client.jetstream().consumers_info(told.topic.replace(".", "_"))
    (found,) = (consumer.config for consumer in consumers)
    assert (found.durable_name, found.deliver_group) == (sink.name, sink.name)
    assert (found.ack_wait, found.max_ack_pending) == (30.0, 32)


async def test_the_address_may_come_from_the_settings(nats_server: Server, client: Client, tmp_path: Path) -> None:
    require_daprd()
    profile = copy_profile("nats", tmp_path, nats=nats_server.address)
    for file in profile.glob("*.yaml"):
        secret = "      secretKeyRef:\n        name: nats-url\n        key: nats-url\n"
        text = file.read_text().replace(secret, f"      value: nats://{nats_server.address}\n")
        file.write_text(text)
    secrets = tmp_path / "data" / "secrets.example.json"
    secrets.write_text("{}")
    settings = HostSettings.model_validate({"nats_url": f"nats://{nats_server.address}"})
    async with DaprdWorld(profile, copy_configuration(tmp_path), settings) as world:
        told = Contract(world.name("source")).event("told", int)
        host = await world.start(Service(world.name("teller")))
        await host.emit(told, 1)
        assert await client.jetstream().find_stream_name_by_subject(told.topic)


async def test_a_consumer_with_other_settings_than_the_component_is_told(
    world: DaprdWorld, nats_server: Server, client: Client, tmp_path: Path
) -> None:
    told, name = Contract(world.name("source")).event("told", int), world.name("sink")
    stream = told.topic.replace(".", "_")
    await make_streams(f"nats://{nats_server.address}", [told.topic])
    config = ConsumerConfig(name, deliver_subject="inbox", deliver_group=name, filter_subject=told.topic, ack_wait=7)
    await client.jetstream().add_consumer(stream, config)
    sink = Service(name)

    @sink.on(told)
    async def hear(number: int) -> None:
        """Not of interest."""

    starting = asyncio.create_task(world.start(sink))
    problem = f"nobody reads consumer {name} of {told.topic}"
    async with asyncio.timeout(40):
        while not await has_problem(world, problem):  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.05)
    # The sidecar tries again.
    await client.jetstream().delete_consumer(stream, name)
    await starting


async def has_problem(world: DaprdWorld, text: str) -> bool:
    found = [problem for host in world._hosts for problem in await host.problems()]
    return any(text in problem for problem in found)
