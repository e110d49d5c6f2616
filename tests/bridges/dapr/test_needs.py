"""A host does not start beside a sidecar that lacks a pub/sub component which it needs, and says what for."""

from __future__ import annotations

from typing import Any

import pytest

from pillion import ConfigurationError, Context, Contract, Service, foreign_event
from pillion.bridges.dapr.needs import Needs, Uses
from pillion.runtime.beside import host_beside_sidecar
from pillion.runtime.settings import HostSettings
from pillion.sidecar.health import Component, SidecarMetadata
from pillion.sidecar.ports import free_port
from pillion.testing.sidecar import FakeBroker, FakeSidecar

PUBSUB = Component("pubsub", "pubsub.redis")


def emitting() -> Service[Any, Any]:
    contract = Contract("sink")
    counted = contract.event("counted", int, component="analytcis")
    service = Service(contract)

    @service.command(emits=[counted])
    async def count(ctx: Context, number: int) -> None:
        ctx.emit(counted, number)

    return service


def answering() -> Service[Any, Any]:
    contract = Contract("sink")
    service, counted = Service(contract), contract.event("counted", int, component="analytcis")

    @service.command(emits_result=counted)
    async def count() -> int:
        return 1

    return service


def listening() -> Service[Any, Any]:
    service = Service("sink")

    @service.on(foreign_event("numbers", int, component="analytcis"))
    async def hear(number: int) -> None: ...

    return service


@pytest.mark.parametrize(
    ("service", "what"),
    [
        (emitting(), "the event sink.v1.counted"),
        (answering(), "the event sink.v1.counted"),
        (listening(), "sink.v1.hear"),
    ],
)
async def test_an_unknown_component_is_refused_with_what_needs_it(service: Service[Any, Any], what: str) -> None:
    port = free_port()
    async with FakeSidecar(FakeBroker(), "sink", port) as sidecar:
        environ = {"APP_ID": "sink", "APP_PORT": str(port), "DAPR_HTTP_PORT": str(sidecar.http_port)}
        refused = f"has not loaded the pub/sub component analytcis, which is needed for {what}; look in"
        with pytest.raises(ConfigurationError, match=refused):
            await host_beside_sidecar([service], HostSettings(), environ).start()


def test_a_component_of_another_kind_is_not_the_one_that_is_needed() -> None:
    loaded = SidecarMetadata(components=(PUBSUB, Component("analytics", "state.redis")))
    (problem,) = Needs(Uses(emits=[("analytics", "the event a.v1.b")]), (), loaded).absent_pubsub(loaded)
    assert "has not loaded the pub/sub component analytics, " in problem


def test_of_many_that_need_a_component_three_are_named() -> None:
    loaded = SidecarMetadata(components=(PUBSUB,))
    uses = Uses(emits=[("analytics", f"the event a.v1.e{number}") for number in range(5)])
    (problem,) = Needs(uses, (), loaded).absent(loaded)
    assert "needed for the event a.v1.e0, the event a.v1.e1, the event a.v1.e2 and 2 more; " in problem
