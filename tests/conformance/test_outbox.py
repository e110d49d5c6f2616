"""The bugs of outboxes on stores that ``test_bridges`` does not have: ``pillion.testing.conformance.outbox``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from pillion.testing.conformance.outbox import Outbox
from pillion.testing.conformance.world import World
from tests.conformance.daprworld import beside_daprd
from tests.conformance.memoryworld import SQLiteWorld
from tests.servers import Server


class TestSQLite(Outbox):
    """Each process opens the file anew. It knows that no other has its messages, or has to claim them."""

    @pytest_asyncio.fixture(params=[True, False], ids=["alone", "shared"])
    async def world(self, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
        async with SQLiteWorld(tmp_path, alone=request.param) as world:
            yield world


@pytest.mark.daprd
@pytest.mark.redis
class TestDaprdRedis(Outbox):
    """Redis carries the messages, and keeps the records; it has no conditional transactions."""

    @pytest_asyncio.fixture
    async def world(self, redis_server: Server, tmp_path: Path) -> AsyncIterator[World]:
        async with beside_daprd("redis", tmp_path, redis=redis_server.address) as world:
            world.keep_state("state.redis", redisHost=redis_server.address, keyPrefix="name")
            yield world
