"""Dapr's traps that lose or mix up messages (see docs/dapr.md), each with the way around it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from pillion import Cause, Contract, Host, Service, Unavailable, exact
from pillion.runtime.beside import host_beside_sidecar
from pillion.runtime.settings import HostSettings
from pillion.sidecar.ports import free_port
from pillion.testing.sidecar import FakeBroker, FakeSidecar

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CAUSE = Cause(traceparent=TRACE, tracestate="vendor=1")

contract = Contract("echo")
told = contract.event("told", int)
repeat = contract.command("repeat", int, int)


def echo() -> Service[Any, Any]:
    service = Service(contract)

    @service.handles(repeat)
    async def handle(number: int) -> int:
        return number

    @service.on(told, where=exact(region="eu"))
    async def note(number: int) -> None: ...

    return service


class Sidecar(FakeSidecar):
    """Notes the headers of the calls that it passes on."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.passed: list[Mapping[str, str]] = []

    async def call_app(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        self.passed.append(headers)
        return await super().call_app(method, path, headers, body)


class Beside:
    """A fake sidecar and, started and stopped at will, the app on its port."""

    def __init__(self, sidecar: Sidecar, broker: FakeBroker, app_port: int, tokens: dict[str, str]) -> None:
        self.sidecar = sidecar
        self.broker = broker
        self.address = f"http://127.0.0.1:{app_port}"
        ports = {"APP_PORT": str(app_port), "DAPR_HTTP_PORT": str(sidecar.http_port)}
        self._environ = {"APP_ID": "echo", **ports, **tokens}

    def host(self, **settings: Any) -> Host:
        return host_beside_sidecar([echo()], HostSettings(**settings), self._environ)

    async def post(self, path: str, body: bytes = b"{}", **headers: str) -> tuple[int, Any]:
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.address + path, data=body, headers=headers) as got,
        ):
            return got.status, json.loads(await got.read())


@asynccontextmanager
async def beside(**tokens: str) -> AsyncIterator[Beside]:
    port = free_port()
    api_token, app_token = tokens.get("DAPR_API_TOKEN"), tokens.get("APP_API_TOKEN")
    broker = FakeBroker()
    async with Sidecar(broker, "echo", port, api_token=api_token, app_token=app_token) as sidecar:
        yield Beside(sidecar, broker, port, tokens)


async def test_both_tokens_are_shown_and_checked() -> None:
    async with beside(DAPR_API_TOKEN="inward", APP_API_TOKEN="outward") as pair, pair.host() as host:
        assert await host.call(repeat, 7) == 7
        assert (await pair.post("/echo.v1.repeat", b"7"))[0] == 401
        assert await pair.post("/echo.v1.repeat", b"7", **{"dapr-api-token": "outward"}) == (200, 7)


async def test_a_path_of_an_earlier_version_is_not_taken_for_an_order_to_drop() -> None:
    async with beside() as pair, pair.host():
        assert (await pair.post("/events/pubsub/echo.v1.retired"))[0] == 503


async def test_an_empty_success_is_not_an_answer() -> None:
    async with beside() as pair, pair.host(commands="invocation") as host:
        await pair.sidecar.wait_ready()
        assert await host.call(repeat, 1) == 1
        pair.sidecar.empty_answers = True
        await host.bridge.drain(0)
        with pytest.raises(Unavailable):
            await host.call(repeat, 2)


async def test_events_that_no_rule_wants_have_a_route() -> None:
    async with beside() as pair, pair.host(), aiohttp.ClientSession() as session:
        async with session.get(pair.address + "/dapr/subscribe") as response:
            [routed] = [found for found in await response.json() if "routes" in found]
        assert routed["routes"]["default"] == "/ignored"
        assert routed["bulkSubscribe"]["enabled"]
        delivery = json.dumps({"entries": [{"entryId": "a", "event": {}}]}).encode()
        told_back = {"statuses": [{"entryId": "a", "status": "SUCCESS"}]}
        assert await pair.post("/ignored", delivery) == (200, told_back)
        assert await pair.post("/", delivery) == (200, told_back)


async def test_everything_without_a_rule_is_subscribed_raw() -> None:
    async with beside() as pair, pair.host(), aiohttp.ClientSession() as session:
        async with session.get(pair.address + "/dapr/subscribe") as response:
            plain = [found for found in await response.json() if "routes" not in found]
        assert {found["metadata"]["rawPayload"] for found in plain} == {"true"}


async def test_an_app_that_restarts_beside_its_sidecar_hears_its_replies() -> None:
    async with beside() as pair:
        async with pair.host() as first:
            assert await first.call(repeat, 1) == 1
        async with pair.host() as second, asyncio.timeout(30):
            assert await second.call(repeat, 2) == 2


async def test_what_comes_while_stopping_comes_again() -> None:
    async with beside() as pair, pair.host() as host:
        await host.bridge.drain(0)
        body = json.dumps({"entries": [{"entryId": "a", "event": {}}]}).encode()
        _, answer = await pair.post("/events/pubsub/echo.v1.told", body)
        assert answer == {"statuses": [{"entryId": "a", "status": "RETRY"}]}


async def test_trace_fields_leave_as_text_or_not_at_all() -> None:
    async with beside() as pair, pair.host() as host:
        await host.emit(told, 1, cause=CAUSE)
        await host.emit(told, 2)
        first, second = map(json.loads, pair.broker.messages(told.topic))
    names = ("traceparent", "tracestate", "traceid")
    assert {name: first[name] for name in names if name in first} == {"traceparent": TRACE, "tracestate": "vendor=1"}
    assert not set(names) & set(second)


async def test_an_invocation_carries_its_trace_as_a_header_too() -> None:
    async with beside() as pair, pair.host(commands="invocation") as host:
        await pair.sidecar.wait_ready()
        assert await host.call(repeat, 1, cause=CAUSE) == 1
        assert TRACE in {headers.get("traceparent") for headers in pair.sidecar.passed}
