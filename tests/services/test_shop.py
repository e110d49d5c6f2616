"""The whole shop in one process, through its HTTP gateway."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientSession

from pillion.bridges.memory.bridge import MemoryBridge
from pillion.cli.runfile import read_runfile
from pillion.gateway.face import Client, Gateway, GatewaySettings
from pillion.message import Message
from pillion.runtime.embedded import memory_stores
from pillion.runtime.host import Host
from services.gateway.service import gateway as declared
from services.inventory.service import service as inventory
from services.notifications.config import NotificationsConfig
from services.notifications.service import service as notifications
from services.orders.service import service as orders
from services.payments.service import service as payments
from services.users.service import service as users

ROOT = Path(__file__).parents[2]
ORDER = {"email": "ada@example.com", "card": "4242424242424242", "lines": [{"sku": "tea", "quantity": 2}]}
STAFF = {"authorization": "Bearer s3cret"}


class Shop:
    """The running shop, as its customers see it."""

    def __init__(self, session: ClientSession, url: str, bridge: MemoryBridge, messages: list[Message]) -> None:
        self._session = session
        self._url = url
        self._bridge = bridge
        self.messages = messages

    async def ask(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        """Status and body."""
        async with self._session.request(method, self._url + path, **options) as response:
            return response.status, await response.json(content_type=None)

    async def until_quiet(self) -> None:
        """Wait until all is handled."""
        await self._bridge.broker.quiet()


@asynccontextmanager
async def open_shop(mails: Path) -> AsyncIterator[Shop]:
    """The shop, as ``services/gateway`` declares it, on a port of its own."""
    messages: list[Message] = []
    bridge = MemoryBridge(watch=lambda _, message: messages.append(message))
    configs = {"notifications": NotificationsConfig(folder=mails)}
    tokens = {"staff": Client.model_validate({"token": "s3cret"})}
    gateway = Gateway(declared.contracts, settings=GatewaySettings(port=0, tokens=tokens))
    services = (users, inventory, payments, orders, notifications)
    async with Host(*services, bridge=bridge, stores=memory_stores(), configs=configs) as host:
        await gateway.start(host)
        async with ClientSession() as session:
            yield Shop(session, f"http://127.0.0.1:{gateway.port}", bridge, messages)
        await gateway.stop()


async def test_an_order_goes_through_every_service(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        status, order = await shop.ask("POST", "/orders", json=ORDER, headers={"X-Correlation-ID": "c-1"})
        await shop.until_quiet()
        assert (status, order["status"], order["total"]) == (201, "confirmed", 900)
        assert (await shop.ask("GET", "/inventory/tea"))[1]["available"] == 998
        sent = {message.type for message in shop.messages if message.correlation_id == "c-1"}
        took_part = {message.source for message in shop.messages if message.correlation_id == "c-1"}
        mailed = [message for message in shop.messages if message.type == "notifications.v1.mailed"]
    assert {"payments.v1.charged", "orders.v1.confirmed", "notifications.v1.mailed"} <= sent
    assert len(mailed) == 1
    names = ("users", "inventory", "payments", "orders", "notifications")
    assert {f"/app/{name}.v1" for name in names} <= took_part


async def test_a_customer_is_addressed_by_name_and_a_guest_is_not(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        for _ in range(2):
            await shop.ask("POST", "/orders", json=ORDER)
            await shop.until_quiet()
            await shop.ask("POST", "/users", json={"email": ORDER["email"], "name": "Ada"})
    texts = [file.read_text() for file in tmp_path.glob("*.eml")]
    beginnings = [text.partition("\n\n")[2].splitlines()[0] for text in texts if "is confirmed" in text]
    assert sorted(beginnings) == ["Hello Ada,", "Hello,"]


async def test_a_declined_card_leaves_everything_as_it_was(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        status, order = await shop.ask("POST", "/orders", json={**ORDER, "card": "4000000000000002"})
        await shop.until_quiet()
        assert (status, order["status"]) == (201, "rejected")
        assert "the bank says no" in order["reason"]
        assert (await shop.ask("GET", "/inventory/tea"))[1]["available"] == 1000


async def test_an_unknown_field_is_a_problem(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        status, problem = await shop.ask("POST", "/orders", json={**ORDER, "coupon": "x"})
    assert (status, problem["code"], problem["errors"][0]["pointer"]) == (400, "invalid_input", "#/coupon")


async def test_a_failure_is_a_problem_with_its_status_and_fields(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        status, problem = await shop.ask("GET", "/inventory/gold")
    assert (status, problem["code"], problem["sku"]) == (404, "item_unknown", "gold")


async def test_only_the_staff_may_stock(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        goods = {"quantity": 5, "price": 100}
        refused, _ = await shop.ask("POST", "/inventory/gold/stock", json=goods)
        status, item = await shop.ask("POST", "/inventory/gold/stock", json=goods, headers=STAFF)
        staff = [message.principal_id for message in shop.messages if message.type == "inventory.v1.stock"]
    assert (refused, status, item["available"], staff) == (401, 200, 5, ["staff"])


async def test_what_services_ask_each_other_is_not_offered(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        _, document = await shop.ask("GET", "/openapi.json")
    offered = {operation["operationId"] for path in document["paths"].values() for operation in path.values()}
    assert "orders_v1_place" in offered
    internal = {"inventory_v1_reserve", "inventory_v1_release", "payments_v1_charge", "users_v1_look_up"}
    assert not offered & internal


def test_the_demonstration_finds_all_as_it_should_be() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "services.demo"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "correlation id good-order" in done.stdout


def test_the_run_file_runs_every_app_on_ports_of_its_own() -> None:
    entries = read_runfile(ROOT / "dapr.yaml")
    ports = [port for e in entries for port in (e.app_port, e.http_port, e.grpc_port, e.internal_grpc_port)]
    assert [entry.app_id for entry in entries] == [
        "users",
        "inventory",
        "payments",
        "orders",
        "notifications",
        "gateway",
    ]
    assert len(set(ports)) == len(ports)
    assert max(port or 0 for port in ports) < 32768
