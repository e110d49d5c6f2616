"""Orders through six processes, six real daprds, a real broker and a real state store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import product
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import aiohttp
import pytest
import pytest_asyncio

from tests.daprd import require_daprd
from tests.e2e.fleet import Shop
from tests.profiles import STATES, copy_configuration, copy_profile
from tests.servers import Server

pytestmark = [pytest.mark.daprd, pytest.mark.timeout(240)]

BROKERS = ("redis", "rabbitmq", "nats", "mqtt", "kafka")
STAFF = {"authorization": "Bearer s3cret"}


class Choice(NamedTuple):
    """What ``make run-dapr PROFILE=… STATE=…`` chooses."""

    profile: str
    state: str

    @property
    def servers(self) -> set[str]:
        return {*self} - {"sqlite"}

    @property
    def marks(self) -> list[pytest.MarkDecorator]:
        """Each broker and each state runs every time; what only combines them otherwise is long."""
        often = self.profile == "redis" or self.state == "sqlite"
        names = sorted(self.servers) if often else [*sorted(self.servers), "long"]
        return [getattr(pytest.mark, name) for name in names]


CHOICES = [Choice(*pair) for pair in product(BROKERS, STATES)]


@pytest.fixture(params=[pytest.param(choice, id="-".join(choice), marks=choice.marks) for choice in CHOICES])
def choice(request: pytest.FixtureRequest) -> Choice:
    chosen: Choice = request.param
    return chosen


@pytest_asyncio.fixture
async def shop(choice: Choice, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Shop]:
    require_daprd()
    servers: dict[str, Server] = {name: request.getfixturevalue(f"{name}_server") for name in choice.servers}
    addresses = {name: server.address for name, server in servers.items()}
    profile = copy_profile(choice.profile, tmp_path, state=choice.state, **addresses)
    variables = {"GATEWAY_TOKENS": '{"staff": {"token": "s3cret"}}'}
    async with Shop(tmp_path, profile, copy_configuration(tmp_path), variables) as shop:
        yield shop


@pytest_asyncio.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def test_orders_over_six_processes(
    shop: Shop, session: aiohttp.ClientSession, choice: Choice, tmp_path: Path
) -> None:
    # Other tests share the server that state is in.
    email = f"{uuid4().hex}@example.com"
    await shop.sign_up(session, "Ada", email)
    good = await shop.order(session, email=email)
    assert (good["status"], good["total"]) == ("confirmed", 900)
    assert "Hello Ada," in await shop.mail("is confirmed")

    declined = await shop.order(session, email=email, card="4000000000000002")
    assert declined["status"] == "rejected"
    assert "declined" in declined["reason"].lower()
    assert "Hello Ada," in await shop.mail("is rejected")

    async with session.post(f"{shop.url}/orders", json={"email": "nobody"}) as response:
        problem = await response.json()
        assert (response.status, response.content_type) == (400, "application/problem+json")
        assert problem["errors"]

    address = f"{shop.url}/orders/{good['order_id']}"
    async with session.get(address) as response:
        assert response.status == 401
    async with session.get(address, headers=STAFF) as response:
        assert await response.json() == good
    async with session.post(f"{address}/cancellation", headers=STAFF) as response:
        assert (await response.json())["status"] == "cancelled"
    assert "You get 9.00 back" in await shop.mail("is cancelled")

    # Only SQLite keeps state in files; the other file is that of the sidecars' name resolution.
    files = {file.name for file in (tmp_path / "data").glob("*.db")} - {"names.db"}
    assert bool(files) == (choice.state == "sqlite")
