"""Every bridge of pillion keeps the contract of ``pillion.testing.conformance.bridge``."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from pillion.testing.conformance.bridge import BridgeContract
from pillion.testing.conformance.world import World
from tests.conformance.memoryworld import MemoryWorld


class TestMemory(BridgeContract):
    @pytest_asyncio.fixture
    async def world(self) -> AsyncIterator[World]:
        async with MemoryWorld() as world:
            yield world
