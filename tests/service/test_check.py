"""Whether services fit together, seen before anything runs."""

from __future__ import annotations

import pytest

from pillion.errors import DeclarationError
from pillion.service.check import check
from pillion.service.contract import Contract
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


def test_using_what_is_deprecated_is_a_warning() -> None:
    old = Contract("orders").command("place", int, deprecated="use orders.v2.place")
    shop = Service("shop")
    shop.command(name="buy", calls=[old])(buy)
    assert check([shop]) == ["shop.v1.buy uses orders.v1.place, which is deprecated: use orders.v2.place"]


def buy(number: int) -> int:
    return number
