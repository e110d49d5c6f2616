"""Orders, with doubles of inventory and payments."""

from __future__ import annotations

from typing import Any

import pytest

from pillion import DeadlineExceeded
from pillion.testing.doubles import Double, double
from pillion.testing.harness import HostFactory
from services.inventory import contract as inventory
from services.orders.contract import (
    NotCancellable,
    OrderTaken,
    OrderUnknown,
    PlaceOrder,
    cancel,
    cancelled,
    confirmed,
    look_up,
    place,
    placed,
    rejected,
)
from services.orders.service import service
from services.payments import contract as payments

TEA = [inventory.Line(sku="tea", quantity=2)]
REQUEST = PlaceOrder(order_id="o-1", email="ada@example.com", card="4242424242424242", lines=TEA)


class Others:
    """Doubles of what orders calls: all goes well until told otherwise."""

    def __init__(self) -> None:
        reserved = inventory.Reserved(order_id="o-1", lines=TEA, total=900)
        payment = payments.Payment(order_id="o-1", amount=900, card_ending="4242")
        self.reserve = double(inventory.reserve).returns(reserved)
        self.release = double(inventory.release).returns(None)
        self.charge = double(payments.charge).returns(payment)
        self.refund = double(payments.refund).returns(payments.Refund(order_id="o-1", amount=900))

    @property
    def all(self) -> list[Double[Any, Any]]:
        """All of them."""
        return [self.reserve, self.release, self.charge, self.refund]


async def test_an_order_is_confirmed(host: HostFactory) -> None:
    others = Others()
    async with host(service, doubles=others.all, capture=True) as app:
        order = await app.call(place, REQUEST)
        await app.until_quiet()
        assert app.emitted(confirmed) == [order]
        assert [told.status for told in app.emitted(placed)] == ["placed"]
        assert await app.call(look_up, "o-1") == order
    assert (order.status, order.total) == ("confirmed", 900)
    assert others.charge.calls == [payments.Charge(order_id="o-1", amount=900, card=REQUEST.card)]


async def test_a_declined_card_puts_the_goods_back(host: HostFactory) -> None:
    others = Others()
    others.charge.raises(payments.CardDeclined(reason="no"))
    async with host(service, doubles=others.all, capture=True) as app:
        order = await app.call(place, REQUEST)
        await app.until_quiet()
        assert app.emitted(rejected) == [order]
        assert app.emitted(confirmed) == []
    assert (order.status, order.reason) == ("rejected", "The card was declined. (reason='no')")
    assert others.release.calls == ["o-1"]


async def test_a_payment_that_may_have_happened_is_given_back(host: HostFactory) -> None:
    others = Others()
    others.charge.raises(DeadlineExceeded(where="payments.v1.charge"))
    async with host(service, doubles=others.all) as app:
        assert (await app.call(place, REQUEST)).status == "rejected"
        await app.until_quiet()
    assert others.refund.calls == others.release.calls == ["o-1"]


async def test_what_is_not_there_is_not_charged(host: HostFactory) -> None:
    others = Others()
    others.reserve.raises(inventory.OutOfStock(sku="tea", available=1))
    async with host(service, doubles=others.all) as app:
        order = await app.call(place, REQUEST)
    assert (order.status, others.charge.calls) == ("rejected", [])
    assert "available=1" in order.reason


async def test_placing_again_does_not_order_twice(host: HostFactory) -> None:
    others = Others()
    async with host(service, doubles=others.all, capture=True) as app:
        first, second = [await app.call(place, REQUEST) for _ in range(2)]
        await app.until_quiet()
        assert first == second
        assert len(app.emitted(confirmed)) == len(others.charge.calls) == 1


@pytest.mark.parametrize("other", [{"email": "eve@example.com"}, {"lines": TEA * 2}])
async def test_the_order_of_another_with_the_same_id_is_not_shown(host: HostFactory, other: dict[str, Any]) -> None:
    others = Others()
    async with host(service, doubles=others.all) as app:
        await app.call(place, REQUEST)
        with pytest.raises(OrderTaken):
            await app.call(place, REQUEST.model_copy(update=other))
    assert len(others.charge.calls) == 1


async def test_cancelling_gives_back_money_and_goods(host: HostFactory) -> None:
    others = Others()
    async with host(service, doubles=others.all, capture=True) as app:
        await app.call(place, REQUEST)
        first, second = [await app.call(cancel, "o-1") for _ in range(2)]
        await app.until_quiet()
        assert first == second
        assert app.emitted(cancelled) == [first]
    assert others.refund.calls == others.release.calls == ["o-1"]


async def test_a_rejected_order_cannot_be_cancelled(host: HostFactory) -> None:
    others = Others()
    others.charge.raises(payments.CardDeclined(reason="no"))
    async with host(service, doubles=others.all) as app:
        await app.call(place, REQUEST)
        with pytest.raises(NotCancellable) as caught:
            await app.call(cancel, "o-1")
    assert caught.value.order_status == "rejected"


async def test_an_unknown_order_is_not_found(host: HostFactory) -> None:
    async with host(service, doubles=Others().all) as app:
        with pytest.raises(OrderUnknown):
            await app.call(look_up, "o-2")
