"""The payments service."""

from __future__ import annotations

from pillion import Context, Service
from services.payments.config import PaymentsConfig
from services.payments.contract import (
    CardDeclined,
    Charge,
    Payment,
    Refund,
    charge,
    charged,
    payments,
    refund,
    refunded,
)

service = Service(payments, config=PaymentsConfig)


@service.handles(charge, emits=[charged], once=True)
async def charge_card(ctx: Context[PaymentsConfig], request: Charge) -> Payment:
    taken = ctx.state.of(Payment)
    if known := await taken.get(request.order_id):
        return known
    _check(request, ctx.settings)
    payment = Payment(order_id=request.order_id, amount=request.amount, card_ending=request.card[-4:])
    await taken.set(request.order_id, payment)
    ctx.emit(charged, payment)
    return payment


@service.handles(refund, emits=[refunded], once=True)
async def give_back(ctx: Context[PaymentsConfig], order_id: str) -> Refund:
    taken = ctx.state.of(Payment)
    payment = await taken.get(order_id)
    if payment is None:
        return Refund(order_id=order_id, amount=0)
    answer = Refund(order_id=order_id, amount=payment.amount)
    if not payment.refunded:
        await taken.set(order_id, payment.model_copy(update={"refunded": True}))
        ctx.emit(refunded, answer)
    return answer


def _check(request: Charge, config: PaymentsConfig) -> None:
    if request.card in config.declined:
        raise CardDeclined(reason="the bank says no")
    if request.amount > config.limit:
        raise CardDeclined(reason="the amount is above the limit")
