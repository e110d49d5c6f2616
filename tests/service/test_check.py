"""Whether services fit together, seen before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from pillion.errors import DeclarationError
from pillion.service.check import check
from pillion.service.contract import Contract
from pillion.service.event import Event, foreign_event
from pillion.service.service import Service


def test_every_command_needs_a_handler() -> None:
    contract = Contract("payments")
    contract.command("charge", int)
    contract.command("refund", int)
    with pytest.raises(DeclarationError, match=r"payments\.v1: no handler for charge, refund; add @service\.handles"):
        check([Service(contract)])


def test_a_service_runs_once_in_a_process() -> None:
    with pytest.raises(DeclarationError, match=r"payments\.v1 is given 2 times"):
        check([Service("payments"), Service("payments")])


def test_two_versions_may_run_side_by_side() -> None:
    assert check([Service("payments"), Service("payments", version=2)]) == []


def test_an_example_that_does_not_fit_is_named() -> None:
    contract = Contract("payments")
    contract.event("charged", int, examples=["much"])
    with pytest.raises(
        DeclarationError, match=r"payments\.v1\.charged: an example does not fit its type: value: .*integer"
    ):
        check([Service(contract)])


def test_a_type_that_pydantic_cannot_handle_is_named() -> None:
    class Strange:
        pass

    stranger = Contract("payments").command("charge", Strange)
    service = Service("orders")
    service.command(name="buy", calls=[stranger])(buy)
    with pytest.raises(DeclarationError, match=r"payments\.v1\.charge: .*Strange"):
        check([service])


def test_a_subscription_to_an_event_that_nobody_declares_is_a_warning() -> None:
    stale = Contract("orders").event("placed", int)
    listener = Service("mail")
    listener.on(stale, name="tell")(lambda _: None)
    assert check([listener]) == []
    warnings = check([listener, Service(Contract("orders"))])
    assert len(warnings) == 1
    assert "mail.v1.tell waits for orders.v1.placed, which orders.v1 does not declare" in warnings[0]


def test_the_outcome_of_a_command_that_is_not_announced_is_a_warning() -> None:
    for announced in (False, True):
        contract = Contract("orders")
        place = contract.command("place", int, announced=announced)
        orders, listener = Service(contract), Service("mail")
        orders.handles(place)(lambda _: None)
        listener.on(place.failed, name="tell")(lambda _: None)
        assert bool(check([orders, listener])) is not announced


def test_the_event_of_a_copy_of_the_contract_is_the_contracts() -> None:
    ours, theirs = Contract("orders"), Contract("orders")
    ours.event("placed", int)
    listener = Service("mail")
    listener.on(theirs.event("placed", int), name="tell")(lambda _: None)
    assert check([listener, Service(ours)]) == []


@pytest.mark.parametrize("announced", [False, True])
def test_the_outcome_of_a_command_of_a_service_elsewhere_is_a_warning_too(announced: bool) -> None:
    place, shop = Contract("orders").command("place", int, int, announced=announced), Service("shop")
    shop.on(place.failed, name="tell")(lambda _: None)
    expected = "shop.v1.tell waits for orders.v1.place.failed, which orders.v1 does not declare"
    assert [expected in warning for warning in check([shop])] == ([] if announced else [True])


def test_using_what_is_deprecated_is_a_warning() -> None:
    old = Contract("orders").command("place", int, deprecated="use orders.v2.place")
    shop = Service("shop")
    shop.command(name="buy", calls=[old])(buy)
    assert check([shop]) == ["shop.v1.buy uses orders.v1.place, which is deprecated: use orders.v2.place"]


def test_a_subscription_to_what_is_deprecated_is_a_warning() -> None:
    old, listener = Contract("orders").event("placed", int, deprecated="use bought"), Service("mail")
    listener.on(old, name="tell")(lambda _: None)
    assert check([listener]) == ["mail.v1.tell uses orders.v1.placed, which is deprecated: use bought"]


def test_a_call_to_a_contract_that_is_deprecated_is_a_warning() -> None:
    old = Contract("orders", deprecated="use orders.v2")
    place, shop = old.command("place", int, int), Service("shop")
    shop.command(name="buy", calls=[place])(buy)
    assert check([shop]) == ["shop.v1.buy uses orders.v1.place, which is deprecated: use orders.v2"]


def test_a_subscription_to_a_contract_that_is_deprecated_is_a_warning() -> None:
    placed, listener = Contract("orders", deprecated="use orders.v2").event("placed", int), Service("mail")
    listener.on(placed, name="tell")(lambda _: None)
    assert check([listener]) == ["mail.v1.tell uses orders.v1.placed, which is deprecated: use orders.v2"]


def test_a_service_that_is_deprecated_may_use_its_own() -> None:
    old = Contract("orders", deprecated="use orders.v2")
    place, placed, orders = old.command("place", int, int), old.event("placed", int), Service(old)
    orders.handles(place, calls=[place], emits=[placed])(buy)
    orders.on(placed, name="note")(lambda _: None)
    assert check([orders]) == []


RAW, PARSED = foreign_event("readings", int, raw=True), foreign_event("readings", int, type="their.type")


@pytest.mark.parametrize("events", [(RAW, PARSED), (PARSED, RAW)], ids=["raw first", "raw last"])
def test_a_topic_is_not_taken_raw_and_as_cloud_events(events: Sequence[Event[int]]) -> None:
    names = {RAW: "bytes", PARSED: "parsed"}
    services = [Service("meter"), Service("mail")]
    for service, event in zip(services, events, strict=True):
        service.on(event, name=names[event])(lambda _: None)
    text = r"v1\.bytes takes what comes on topic readings raw, (meter|mail)\.v1\.parsed takes it as CloudEvents"
    with pytest.raises(DeclarationError, match=text):
        check(services)
    assert check(services[:1]) == check(services[1:]) == []


@pytest.mark.parametrize("options", [{"broadcast": True}, {"slow": True}])
def test_a_subscription_of_its_own_may_be_raw_beside_another(options: Any) -> None:
    service = Service("meter")
    service.on(RAW, name="bytes", **options)(lambda _: None)
    service.on(PARSED, name="parsed")(lambda _: None)
    service.on(foreign_event("readings", int, component="other", raw=True), name="elsewhere")(lambda _: None)
    assert check([service]) == []


def buy(number: int) -> int:
    return number
