"""What these tests may ask for."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from pillion.testing.sidecar import FakeBroker, FakeSidecar


@pytest.fixture
async def alone() -> AsyncIterator[FakeSidecar]:
    async with FakeSidecar(FakeBroker(), "shop", secrets={"secrets": {"pin": "1"}}) as sidecar:
        await sidecar.wait_ready()
        yield sidecar
