"""Charging once, declining, and giving back once."""

from __future__ import annotations

import pytest

from pillion.testing.harness import HostFactory
from services.payments.config import PaymentsConfig
from services.payments.contract import CardDeclined, Charge, Refund, charge, charged, refund, refunded
from services.payments.service import service

CHARGE = Charge(order_id="o-1", amount=900, card="4242424242424242")


async def test_a_charge_is_answered_and_announced(host: HostFactory) -> None:
    async with host(service, capture=True) as app:
        payment = await app.call(charge, CHARGE)
        await app.until_quiet()
        assert app.emitted(charged) == [payment]
    assert (payment.amount, payment.card_ending) == (900, "4242")


async def test_the_same_order_is_charged_once(host: HostFactory) -> None:
    async with host(service, capture=True) as app:
        first, second = [await app.call(charge, CHARGE) for _ in range(2)]
        await app.until_quiet()
        assert first == second
        assert len(app.emitted(charged)) == 1


async def test_the_test_card_is_declined(host: HostFactory) -> None:
    async with host(service, capture=True) as app:
        with pytest.raises(CardDeclined) as caught:
            await app.call(charge, CHARGE.model_copy(update={"card": "4000000000000002"}))
        assert app.emitted(charged) == []
    assert caught.value.reason == "the bank says no"


async def test_too_much_is_declined(host: HostFactory) -> None:
    async with host(service, config={"payments": PaymentsConfig(limit=899)}) as app:
        with pytest.raises(CardDeclined, match="above the limit"):
            await app.call(charge, CHARGE)


async def test_money_is_given_back_once(host: HostFactory) -> None:
    async with host(service, capture=True) as app:
        await app.call(charge, CHARGE)
        first, second = [await app.call(refund, "o-1") for _ in range(2)]
        await app.until_quiet()
        assert first == second == Refund(order_id="o-1", amount=900)
        assert app.emitted(refunded) == [first]


async def test_nothing_to_give_back_is_no_failure(host: HostFactory) -> None:
    async with host(service, capture=True) as app:
        assert await app.call(refund, "o-1") == Refund(order_id="o-1", amount=0)
        assert app.emitted(refunded) == []
