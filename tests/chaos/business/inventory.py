"""Inventory: reserves what was ordered, and puts it back when it is not paid."""

from __future__ import annotations

from pillion import Context, Service
from tests.chaos.business.book import PATIENT, apply, delivery
from tests.chaos.business.contract import LARGEST_ORDER, Order, declined, inventory, placed, refused, reserved
from tests.chaos.business.journal import Journal, journal

Inventory = Context[None, Journal]
service = Service(inventory, resources=journal)


@service.on(placed, emits=[reserved, refused], retry=PATIENT, **delivery())
async def reserve(context: Inventory, order: Order) -> None:
    """Take the units from the shelf."""
    if order.units > LARGEST_ORDER:
        await apply(context, "refused", order, order.group)
        context.emit(refused, order)
        return
    await apply(context, "reserved", order, order.group, amount=order.units)
    context.emit(reserved, order)


@service.on(declined, retry=PATIENT, **delivery())
async def release(context: Inventory, order: Order) -> None:
    """Put the units back."""
    await apply(context, "released", order, order.group, amount=-order.units)
