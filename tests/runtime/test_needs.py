"""What services name in a profile has to be there, and to be for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pillion.errors import ConfigurationError
from pillion.runtime.needs import check_needs
from pillion.runtime.profile import Component
from pillion.service.contract import Contract
from pillion.service.event import Event, foreign_event
from pillion.service.service import Service


def component(name: str, type_: str = "state.in-memory", *scopes: str) -> Component:
    return Component(name, type_, {}, scopes, Path(f"{name}.yaml"))


def check(service: Service, *components: Component, app: str = "") -> None:
    check_needs([service], {one.name: one for one in components}, app)


def refusal(service: Service, *components: Component) -> str:
    with pytest.raises(ConfigurationError) as raised:
        check(service, *components)
    return str(raised.value)


def declaring(event_component: str) -> Service:
    contract = Contract("orders")
    contract.event("placed", int, component=event_component)
    return Service(contract)


def emitting(event: Event[int]) -> Service:
    service = Service("orders")

    @service.command(emits=[event])
    async def place(number: int) -> None: ...

    return service


def answering(event: Event[int]) -> Service:
    service = Service("orders")

    @service.command(emits_result=event)
    async def place(number: int) -> int:
        return number

    return service


def waiting(event: Event[int]) -> Service:
    service = Service("orders")

    @service.on(event)
    async def place(number: int) -> None: ...

    return service


PLACED = foreign_event("placed", int, component="analytcis")
KNOWN = component("analytics", "pubsub.in-memory")


def test_what_nobody_has_named_may_be_missing() -> None:
    check(Service("orders"))
    check(declaring("pubsub"))


def test_a_state_component_that_is_named_is_there() -> None:
    service = Service("orders", state="shared")
    check(service, component("shared"))
    for found in ([component("other")], [component("shared", "pubsub.in-memory"), component("other")]):
        text = refusal(service, *found)
        assert text.startswith('orders.v1: the profile has no state component "shared"; add one')
        assert text.endswith("it has other")


@pytest.mark.parametrize(
    ("service", "place"),
    [
        (declaring("analytcis"), "orders.v1.placed"),
        (emitting(PLACED), "orders.v1.place"),
        (answering(PLACED), "orders.v1.place"),
        (waiting(PLACED), "orders.v1.place"),
    ],
    ids=["declared", "emitted", "answered with", "waited for"],
)
def test_the_component_of_an_event_is_there(service: Service, place: str) -> None:
    text = refusal(service, KNOWN, component("elsewhere"))
    assert text.startswith(f'{place}: the profile has no pub/sub component "analytcis" for ')
    assert text.endswith("it has analytics")
    assert refusal(service).endswith("it has none")
    check(service, component("analytcis", "pubsub.in-memory"))


@pytest.mark.parametrize(
    ("service", "found"),
    [
        (Service("spy", state="orders-state"), component("orders-state", "state.in-memory", "orders", "users")),
        (Service("spy"), component("spy-state", "state.in-memory", "orders", "users")),
        (Service("spy"), component("pubsub", "pubsub.in-memory", "orders", "users")),
    ],
    ids=["state", "own state", "pubsub"],
)
def test_a_component_whose_scopes_leave_the_service_out_is_refused(service: Service, found: Component) -> None:
    text = refusal(service, found)
    for part in ("spy.v1: ", f'"{found.name}" ({found.file}) is for orders, users only', "add spy", "PILLION_APP"):
        assert part in text
    check(service, found, app="users")


def test_the_component_of_an_event_has_scopes_too() -> None:
    found = component("analytics", "pubsub.in-memory", "users")
    text = refusal(declaring("analytics"), found)
    assert text.startswith('orders.v1.placed: component "analytics" (analytics.yaml) is for users only; add orders')
