"""What a service gets: state under keys of its own, whoever else uses the component."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from pillion import ConfigurationError, Context, Service, Setup
from pillion.bridges.memory.bridge import MemoryBridge
from pillion.pipeline.outbound import Cause
from pillion.runtime.host import Host
from pillion.runtime.stores import Stores
from pillion.service.command import Command
from pillion.stores.memory import MemoryConfigurationStore, MemoryStateStore

ACME = Cause(tenant_id="acme")


def host(*services: Service, store: MemoryStateStore) -> Host:
    return Host(*services, bridge=MemoryBridge(), stores=Stores(lambda _: store))


def writing(service: Service, *, once: bool = False) -> Command[str, None]:
    """Writes a text in each way there is."""

    @service.command(once=once)
    async def write(ctx: Context, text: str) -> None:
        await ctx.state.set("set", text)
        await ctx.state.set_many({"many": text})
        await ctx.state.tenant().set("tenant", text)
        await ctx.state.of(str).set("one", text)
        async with ctx.state.transaction() as changes:
            changes.set("transaction", text)

    return write


KEYS = {"set", "many", "tenants:acme:tenant", "str:one", "transaction"}


@pytest.mark.parametrize("once", [False, True], ids=["at once", "with once="])
async def test_services_that_share_a_component_have_keys_of_their_own(once: bool) -> None:
    store, alpha, beta = MemoryStateStore(), Service("alpha", state="shared"), Service("beta", state="shared")
    commands = {service.name: writing(service, once=once) for service in (alpha, beta)}
    async with host(alpha, beta, store=store) as app:
        for service in (alpha, beta):
            await app.call(commands[service.name], service.name, cause=ACME)
    for service in (alpha, beta):
        keys = [f"{service.name}.{key}" for key in KEYS]
        found = await store.get(keys)
        assert {key: item.value for key, item in found.items()} == dict.fromkeys(keys, f'"{service.name}"'.encode())
    assert await store.get(list(KEYS)) == {}


async def test_the_component_of_a_service_has_its_keys_as_they_are() -> None:
    store, service = MemoryStateStore(), Service("alpha")
    write = writing(service)
    async with host(service, store=store) as app:
        await app.call(write, "text", cause=ACME)
    assert set(await store.get(list(KEYS))) == KEYS


async def test_versions_of_a_service_share_what_they_keep() -> None:
    store, first, second = MemoryStateStore(), Service("a", state="s"), Service("a", version=2, state="s")
    write = writing(first)

    @second.command
    async def read(ctx: Context) -> str | None:
        return await ctx.state.get("set", str)

    async with host(first, second, store=store) as app:
        await app.call(write, "text", cause=ACME)
        assert await app.call(read, None) == "text"


async def test_resources_have_the_same_state() -> None:
    store = MemoryStateStore()

    @asynccontextmanager
    async def connect(setup: Setup) -> AsyncIterator[None]:
        await setup.state.set("key", 1)
        yield

    async with host(Service("alpha", state="shared", resources=connect), store=store):
        assert set(await store.get(["alpha.key", "key"])) == {"alpha.key"}


async def test_what_scopes_keep_from_a_service_is_missing_for_it() -> None:
    orders, spy = Service("orders"), Service("spy")

    async def look(ctx: Context) -> str | None:
        try:
            return await ctx.config.get("limit")
        except ConfigurationError as error:
            return str(error)

    ours, theirs = orders.command(name="look")(look), spy.command(name="look")(look)
    stores = Stores(
        lambda _: None,
        configuration=lambda: MemoryConfigurationStore({"limit": "5"}),
        allows=lambda component, service: component != "configuration" or service == "orders",
    )
    async with Host(orders, spy, bridge=MemoryBridge(), stores=stores) as app:
        assert await app.call(ours, None) == "5"
        assert 'spy.v1: the profile has no configuration store named "configuration"' in str(
            await app.call(theirs, None)
        )
