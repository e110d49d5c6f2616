"""Every bridge of pillion keeps the contract of ``pillion.testing.conformance.bridge``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from pillion.runtime.settings import HostSettings
from pillion.testing.conformance.bridge import BridgeContract
from pillion.testing.conformance.world import World
from tests.conformance.daprworld import ORDER, DaprdWorld, FakeWorld
from tests.conformance.memoryworld import MemoryWorld
from tests.daprd import require_daprd
from tests.profiles import copy_configuration, copy_profile
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
        require_daprd()
        profile = copy_profile("redis", tmp_path, redis=redis_server.address)
        async with DaprdWorld(profile, copy_configuration(tmp_path)) as world:
            yield world


@pytest.mark.daprd
@pytest.mark.redis
class TestDaprdInvocation(BridgeContract):
    """Commands by service invocation."""

    @pytest_asyncio.fixture
    async def world(self, redis_server: Server, tmp_path: Path) -> AsyncIterator[World]:
        require_daprd()
        profile = copy_profile("redis", tmp_path, redis=redis_server.address)
        settings = HostSettings(commands="invocation")
        async with DaprdWorld(profile, copy_configuration(tmp_path), settings) as world:
            yield world


@pytest.mark.daprd
@pytest.mark.rabbitmq
class TestDaprdRabbitMQ(BridgeContract):
    @pytest_asyncio.fixture
    async def world(self, rabbitmq_server: Server, tmp_path: Path) -> AsyncIterator[World]:
        require_daprd()
        profile = copy_profile("rabbitmq", tmp_path, rabbitmq=rabbitmq_server.address)
        async with DaprdWorld(profile, copy_configuration(tmp_path)) as world:
            yield world


@pytest.mark.daprd
@pytest.mark.mqtt
class TestDaprdMQTT(BridgeContract):
    """A client id belongs to one client, so two sidecars of one app would throw each other out."""

    @pytest_asyncio.fixture
    async def world(self, mqtt_server: Server, tmp_path: Path) -> AsyncIterator[World]:
        require_daprd()
        profile = copy_profile("mqtt", tmp_path, mqtt=mqtt_server.address)
        async with DaprdWorld(profile, copy_configuration(tmp_path)) as world:
            world.lacks |= {"second instance of an app"}
            yield world


@pytest.mark.daprd
@pytest.mark.kafka
class TestDaprdKafka(BridgeContract):
    """Without the filters, which are the same on each broker: to make topics takes Kafka seconds a test."""

    test_a_filter_picks_the_same_events = None  # type: ignore[assignment]

    @pytest_asyncio.fixture
    async def world(self, kafka_server: Server, tmp_path: Path) -> AsyncIterator[World]:
        require_daprd()
        profile = copy_profile("kafka", tmp_path, kafka=kafka_server.address)
        async with DaprdWorld(profile, copy_configuration(tmp_path)) as world:
            world.lacks -= {ORDER}
            yield world


@pytest.mark.daprd
@pytest.mark.nats
class TestDaprdNats(BridgeContract):
    @pytest_asyncio.fixture
    async def world(self, nats_server: Server, tmp_path: Path) -> AsyncIterator[World]:
        require_daprd()
        profile = copy_profile("nats", tmp_path, nats=nats_server.address)
        async with DaprdWorld(profile, copy_configuration(tmp_path)) as world:
            yield world
