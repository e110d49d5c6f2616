"""Orders through six processes, six real daprds and a real broker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from tests.daprd import require_daprd
from tests.e2e.fleet import Shop
from tests.profiles import copy_configuration, copy_profile
from tests.servers import Server

pytestmark = [pytest.mark.daprd, pytest.mark.timeout(120)]


@pytest_asyncio.fixture(
    params=[
        pytest.param(name, marks=getattr(pytest.mark, name)) for name in ("redis", "rabbitmq", "nats", "mqtt", "kafka")
    ]
)
async def shop(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Shop]:
    require_daprd()
    server: Server = request.getfixturevalue(f"{request.param}_server")
    profile = copy_profile(request.param, tmp_path, **{request.param: server.address})
    async with Shop(tmp_path, profile, copy_configuration(tmp_path), {}) as shop:
        yield shop


@pytest_asyncio.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def test_orders_over_six_processes(shop: Shop, session: aiohttp.ClientSession) -> None:
    good = await shop.order(session)
    assert (good["status"], good["total"]) == ("confirmed", 900)
    await shop.mail("confirmed")

    declined = await shop.order(session, card="4000000000000002")
    assert declined["status"] == "rejected"
    assert "declined" in declined["reason"].lower()
    await shop.mail("rejected")

    async with session.post(f"{shop.url}/orders", json={"email": "nobody"}) as response:
        problem = await response.json()
        assert (response.status, response.content_type) == (400, "application/problem+json")
        assert problem["errors"]
    async with session.get(f"{shop.url}/orders/{good['order_id']}") as response:
        assert response.status == 401
