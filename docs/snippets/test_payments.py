import pytest
from payments.contract import CardDeclined, ChargeCard, Charged, charge, charged
from payments.risk import Assess, Verdict, assess
from payments.service import service

from pillion.testing.doubles import double

CHARGE = ChargeCard(order_id="7", card="4111", amount=500)


async def test_a_good_card_is_charged(host):
    risk = double(assess).returns(Verdict(ok=True))
    async with host(service, doubles=[risk], capture=True) as app:
        assert await app.call(charge, CHARGE) == Charged(order_id="7", amount=500)
        await app.until_quiet()
        assert app.emitted(charged) == [Charged(order_id="7", amount=500)]
    assert risk.calls == [Assess(card="4111", amount=500)]


async def test_a_bad_card_is_declined(host):
    risk = double(assess).returns(Verdict(ok=False, why="stolen"))
    async with host(service, doubles=[risk], capture=True) as app:
        with pytest.raises(CardDeclined) as failure:
            await app.call(charge, CHARGE)
        assert failure.value.reason == "stolen"
        await app.until_quiet()
        assert app.emitted(charged) == []
