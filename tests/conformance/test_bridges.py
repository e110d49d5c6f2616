"""Every bridge of pillion keeps the contract of ``pillion.testing.conformance.bridge``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from pillion.runtime.settings import HostSettings
from pillion.testing.conformance.bridge import BridgeContract
from pillion.testing.conformance.world import World
from tests.conformance.daprworld import ORDER, FakeWorld, beside_daprd
from tests.conformance.memoryworld import MemoryWorld
from tests.servers import Server


class TestMemory(BridgeContract):
    @pytest_asyncio.fixture
    async def world(self) -> AsyncIterator[World]:
        async with MemoryWorld() as world:
            yield world


class TestFakeSidecar(BridgeContract):
    @pytest_asyncio.fixture
    async def world(self) -> AsyncIterator[World]:
        async with FakeWorld() as world:
            yield world


class TestFakeSidecarThroughput(BridgeContract):
    """Commands and replies in bulk."""

    @pytest_asyncio.fixture
    async def world(self) -> AsyncIterator[World]:
        async with FakeWorld(HostSettings(command_delivery="bulk")) as world:
            yield world


class TestFakeSidecarInvocation(BridgeContract):
    """Commands by service invocation."""

    @pytest_asyncio.fixture
    async def world(self) -> AsyncIterator[World]:
        async with FakeWorld(HostSettings(commands="invocation")) as world:
            yield world


@pytest.mark.daprd
@pytest.mark.redis
class TestDaprdRedis(BridgeContract):
    @pytest_asyncio.fixture
    async def world(self, redis_server: Server, tmp_path: Path) -> AsyncIterator[World]:
        async with beside_daprd("redis", tmp_path, redis=redis_server.address) as world:
            yield world


@pytest.mark.daprd
@pytest.mark.redis
class TestDaprdInvocation(BridgeContract):
    """Commands by service invocation."""

    @pytest_asyncio.fixture
    async def world(self, redis_server: Server, tmp_path: Path) -> AsyncIterator[World]:
        settings = HostSettings(commands="invocation")
        async with beside_daprd("redis", tmp_path, settings, redis=redis_server.address) as world:
            yield world


@pytest.mark.daprd
@pytest.mark.rabbitmq
class TestDaprdRabbitMQ(BridgeContract):
    @pytest_asyncio.fixture
    async def world(self, rabbitmq_server: Server, tmp_path: Path) -> AsyncIterator[World]:
        async with beside_daprd("rabbitmq", tmp_path, rabbitmq=rabbitmq_server.address) as world:
            yield world


@pytest.mark.daprd
@pytest.mark.mqtt
class TestDaprdMQTT(BridgeContract):
    """A client id belongs to one client, so two sidecars of one app would throw each other out."""

    @pytest_asyncio.fixture
    async def world(self, mqtt_server: Server, tmp_path: Path) -> AsyncIterator[World]:
        async with beside_daprd("mqtt", tmp_path, mqtt=mqtt_server.address) as world:
            world.lacks |= {"second instance of an app"}
            yield world


@pytest.mark.daprd
@pytest.mark.kafka
class TestDaprdKafka(BridgeContract):
    """Without the filters, which are the same on each broker: to make topics takes Kafka seconds a test.

    And without a process that hangs before it dies: a group that is given a new topic waits for what is in hand.
    """

    test_a_filter_picks_the_same_events = None  # type: ignore[assignment]
    test_duplicated_after_recovery = None  # type: ignore[assignment]

    @pytest_asyncio.fixture
    async def world(self, kafka_server: Server, tmp_path: Path) -> AsyncIterator[World]:
        async with beside_daprd("kafka", tmp_path, kafka=kafka_server.address) as world:
            world.lacks -= {ORDER}
            yield world


@pytest.mark.daprd
@pytest.mark.nats
class TestDaprdNats(BridgeContract):
    """The stream drops what it was given within the last two minutes."""

    @pytest_asyncio.fixture
    async def world(self, nats_server: Server, tmp_path: Path) -> AsyncIterator[World]:
        async with beside_daprd("nats", tmp_path, nats=nats_server.address) as world:
            world.lacks |= {"repetition"}
            yield world
