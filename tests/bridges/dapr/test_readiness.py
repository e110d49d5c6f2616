"""A host beside a sidecar is ready when messages reach it, not before."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from pillion import Contract, Service
from pillion.runtime.beside import host_beside_sidecar
from pillion.runtime.host import Host
from pillion.runtime.settings import HostSettings
from pillion.sidecar.ports import free_port
from pillion.testing.sidecar import FakeBroker, FakeSidecar

told = Contract("source").event("told", int)


async def test_a_sidecar_that_lists_its_subscriptions_but_has_not_begun_with_them_is_not_ready() -> None:
    service, port = Service("sink"), free_port()

    @service.on(told)
    async def hear(number: int) -> None: ...

    async with FakeSidecar(FakeBroker(), "sink", port) as sidecar:
        environ = {"APP_ID": "sink", "APP_PORT": str(port), "DAPR_HTTP_PORT": str(sidecar.http_port)}
        async with host_beside_sidecar([service], HostSettings(), environ) as host:
            await sidecar.wait_ready()
            sidecar._ready.clear()
            (problem,) = await host.problems()
            assert "its subscriptions are still starting" in problem
            sidecar._ready.set()
            assert list(await host.problems()) == []


def listener(state: str = "") -> Service[Any, Any]:
    service = Service("sink", state=state)

    @service.on(told)
    async def hear(number: int) -> None: ...

    return service


@asynccontextmanager
async def beside(
    service: Service[Any, Any], components: Sequence[str] = (), state_stores: Sequence[str] | None = None
) -> AsyncIterator[tuple[Host, FakeSidecar]]:
    """A host that has started, and its sidecar with these components besides pubsub."""
    port, loaded = free_port(), ("pubsub", *components)
    async with FakeSidecar(FakeBroker(), "sink", port, components=loaded, state_stores=state_stores) as sidecar:
        environ = {"APP_ID": "sink", "APP_PORT": str(port), "DAPR_HTTP_PORT": str(sidecar.http_port)}
        async with host_beside_sidecar([service], HostSettings(), environ) as host:
            await sidecar.wait_ready()
            yield host, sidecar


async def test_a_subscription_that_the_sidecar_lacks_is_named() -> None:
    async with beside(listener()) as (host, sidecar):
        assert list(await host.problems()) == []
        sidecar._subscriptions = [one for one in sidecar._subscriptions if one.topic != told.topic]
        assert list(await host.problems()) == [f"the sidecar has no subscription to {told.topic} on pubsub"]


async def test_a_pubsub_component_that_is_gone_is_named_once_and_not_with_each_of_its_subscriptions() -> None:
    async with beside(listener()) as (host, sidecar):
        del sidecar._components["pubsub"]
        sidecar._subscriptions.clear()
        (problem,) = await host.problems()
        assert "the sidecar has not loaded the pub/sub component pubsub, which carries all that names no" in problem


async def test_a_component_that_only_brings_messages_is_named_with_what_it_brings_them_to() -> None:
    service = Service("sink")

    @service.on(told, broadcast=True)
    async def hear(number: int) -> None: ...

    async with beside(service, ["broadcast"]) as (host, sidecar):
        del sidecar._components["broadcast"]
        (problem,) = await host.problems()
        assert "has not loaded the pub/sub component broadcast, which is needed for sink.v1.hear; " in problem


async def test_a_component_that_only_takes_events_is_named_with_them() -> None:
    contract = Contract("sink")
    counted = contract.event("counted", int, component="analytics")
    service = Service(contract)

    @service.command(emits_result=counted)
    async def count() -> int:
        return 1

    async with beside(service, ["analytics"]) as (host, sidecar):
        assert list(await host.problems()) == []
        del sidecar._components["analytics"]
        (problem,) = await host.problems()
        assert "pub/sub component analytics, which is needed for the event sink.v1.counted; " in problem


async def test_a_state_component_that_was_there_at_the_start_is_named_when_it_is_gone() -> None:
    async with beside(listener()) as (host, sidecar):
        del sidecar._components["sink-state"]
        (problem,) = await host.problems()
        assert "has not loaded the state component sink-state, which is needed for sink.v1; " in problem


async def test_the_store_of_large_payloads_is_named_when_it_is_gone() -> None:
    async with beside(listener(), state_stores=["sink-state", "claims"]) as (host, sidecar):
        del sidecar._components["claims"]
        (problem,) = await host.problems()
        assert "has not loaded the state component claims, which is needed for large payloads; " in problem


async def test_a_state_component_that_a_service_has_named_must_be_there_and_its_default_need_not() -> None:
    async with beside(listener(), state_stores=()) as (host, _):
        assert list(await host.problems()) == []
    async with beside(listener(state="ledger"), state_stores=["sink-state"]) as (host, _):
        (problem,) = await host.problems()
        assert "has not loaded the state component ledger, which is needed for sink.v1; " in problem


async def test_several_that_are_gone_have_a_sentence_each() -> None:
    async with beside(listener()) as (host, sidecar):
        sidecar._components.clear()
        names = [problem.partition(" component ")[2].partition(",")[0] for problem in await host.problems()]
        assert names == ["pubsub", "sink-state"]
