"""Payloads over a limit, on each bridge: the behaviours of ``pillion.testing.conformance.claims``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from pillion.runtime.settings import HostSettings
from pillion.testing.conformance.claims import LARGEST, ClaimCheck
from pillion.testing.conformance.world import World
from tests.conformance.daprworld import FakeWorld, beside_daprd
from tests.conformance.memoryworld import MemoryWorld
from tests.servers import Server

SETTINGS = HostSettings(claim_check_bytes=LARGEST)


class TestMemory(ClaimCheck):
    @pytest_asyncio.fixture
    async def world(self) -> AsyncIterator[World]:
        async with MemoryWorld(SETTINGS) as world:
            yield world


class TestFakeSidecar(ClaimCheck):
    @pytest_asyncio.fixture
    async def world(self) -> AsyncIterator[World]:
        async with FakeWorld(SETTINGS) as world:
            yield world


class TestFakeSidecarInvocation(ClaimCheck):
    """Commands by service invocation."""

    @pytest_asyncio.fixture
    async def world(self) -> AsyncIterator[World]:
        async with FakeWorld(SETTINGS.model_copy(update={"commands": "invocation"})) as world:
            yield world


@pytest.mark.daprd
@pytest.mark.redis
class TestDaprdRedis(ClaimCheck):
    """Redis carries the messages, and keeps the payloads."""

    @pytest_asyncio.fixture
    async def world(self, redis_server: Server, tmp_path: Path) -> AsyncIterator[World]:
        async with beside_daprd("redis", tmp_path, SETTINGS, state="redis", redis=redis_server.address) as world:
            yield world
