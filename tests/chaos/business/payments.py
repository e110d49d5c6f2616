"""Payments: charges what is reserved."""

from __future__ import annotations

from pillion import Context, Service
from tests.chaos.business.book import PATIENT, apply, delivery
from tests.chaos.business.contract import Order, charged, declined, payments, reserved
from tests.chaos.business.journal import Journal, journal

Payments = Context[None, Journal]
service = Service(payments, resources=journal)


@service.on(reserved, emits=[charged, declined], retry=PATIENT, **delivery())
async def charge(context: Payments, order: Order) -> None:
    """Charge the account, if it can pay."""
    if not order.covered:
        await apply(context, "declined", order, order.group)
        context.emit(declined, order)
        return
    await apply(context, "charged", order, order.group, amount=order.cents)
    context.emit(charged, order)
