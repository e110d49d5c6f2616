"""The gateway as a part of a process."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import ClientSession

from pillion.bridges.memory.bridge import MemoryBridge
from pillion.bridges.memory.broker import MemoryBroker
from pillion.cli.target import Face
from pillion.errors import ConfigurationError, DeclarationError
from pillion.gateway.face import Gateway, GatewaySettings
from pillion.runtime.embedded import memory_stores
from pillion.runtime.host import Host
from pillion.runtime.settings import HostSettings
from pillion.service.expose import Expose
from pillion.service.service import Service

greeter = Service("greeter")


@greeter.command(expose=Expose("POST", "/greet", public=True))
async def hello(name: str) -> str:
    return f"Hello, {name}!"


def caller(broker: MemoryBroker | None = None) -> Host:
    """A host that runs no service of its own."""
    return Host(bridge=MemoryBridge(broker), stores=memory_stores(), settings=HostSettings(app="gateway"))


async def test_a_host_without_services_calls_those_of_others() -> None:
    broker = MemoryBroker()
    gateway = Gateway([greeter.contract], settings=GatewaySettings(port=0))
    async with Host(greeter, bridge=MemoryBridge(broker), stores=memory_stores()), caller(broker) as host:
        await gateway.start(host)
        async with ClientSession() as session:
            response = await session.post(f"http://127.0.0.1:{gateway.port}/greet", json="Ada")
            assert await response.json() == "Hello, Ada!"
        await gateway.stop()


def test_a_host_without_services_needs_a_name() -> None:
    with pytest.raises(DeclarationError, match="at least one service, or the name"):
        Host(bridge=MemoryBridge(), stores=memory_stores())


async def test_a_taken_port_is_told() -> None:
    first, second = (Gateway([greeter.contract], settings=GatewaySettings(port=0)) for _ in range(2))
    async with caller() as host:
        await first.start(host)
        second = Gateway([greeter.contract], settings=GatewaySettings(port=first.port or 0))
        with pytest.raises(ConfigurationError, match=rf"cannot listen on 127\.0\.0\.1:{first.port}"):
            await second.start(host)
        await first.stop()


async def test_stop_answers_what_is_in_hand() -> None:
    slow, begun, release = Service("slow"), asyncio.Event(), asyncio.Event()

    @slow.command(expose=Expose("POST", "/wait", public=True))
    async def wait() -> str:
        begun.set()
        await release.wait()
        return "done"

    gateway = Gateway([slow.contract], settings=GatewaySettings(port=0))
    async with Host(slow, bridge=MemoryBridge(), stores=memory_stores()) as host, ClientSession() as session:
        await gateway.start(host)
        asking = asyncio.ensure_future(session.post(f"http://127.0.0.1:{gateway.port}/wait"))
        await begun.wait()
        stopping = asyncio.ensure_future(gateway.stop())
        release.set()
        response = await asking
        assert await response.json() == "done"
        await stopping


async def test_stop_before_start_is_harmless() -> None:
    await Gateway([greeter.contract]).stop()


def test_the_command_line_takes_it_for_a_face() -> None:
    assert isinstance(Gateway([greeter.contract]), Face)


async def test_port_and_tokens_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = Service("keeper")

    @keeper.command(expose=Expose("GET", "/secret"))
    async def reveal() -> str:
        return "42"

    monkeypatch.setenv("GATEWAY_PORT", "0")
    monkeypatch.setenv("GATEWAY_TOKENS", '{"ada": {"token": "s3cret"}}')
    gateway = Gateway([keeper.contract])
    async with Host(keeper, bridge=MemoryBridge(), stores=memory_stores()) as host, ClientSession() as session:
        await gateway.start(host)
        headers = {"authorization": "Bearer s3cret"}
        response = await session.get(f"http://127.0.0.1:{gateway.port}/secret", headers=headers)
        assert response.status == 200
        response.close()
        await gateway.stop()


async def test_it_says_whether_its_host_is_ready() -> None:
    gateway = Gateway([greeter.contract], settings=GatewaySettings(port=0))
    async with Host(greeter, bridge=MemoryBridge(), stores=memory_stores()) as host, ClientSession() as session:
        await gateway.start(host)
        url = f"http://127.0.0.1:{gateway.port}"
        assert (await session.get(f"{url}/healthz")).status == 200
        assert (await session.get(f"{url}/readyz")).status == 200
        await host.stop()
        response = await session.get(f"{url}/readyz")
        assert (response.status, await response.json()) == (
            503,
            {"status": "not ready", "problems": ["the host is starting or stopping"]},
        )
        assert (await session.get(f"{url}/healthz")).status == 200
        await gateway.stop()
