"""Inventory in version N-1: it does not know that an order may be a gift."""

from __future__ import annotations

from pydantic import BaseModel

from pillion import Context, Contract, Service
from tests.chaos.business.book import PATIENT, apply, delivery
from tests.chaos.business.contract import LARGEST_ORDER
from tests.chaos.business.contract import Order as NewOrder
from tests.chaos.business.journal import Journal, journal


class Order(BaseModel):
    """An order as it was: no ``gift``."""

    number: int
    units: int
    cents: int
    covered: bool
    group: int


Inventory = Context[None, Journal]
inventory = Contract("inventory")
reserved = inventory.event("reserved", Order)
refused = inventory.event("refused", Order)
placed = Contract("orders").event("placed", Order)
declined = Contract("payments").event("declined", Order)
service = Service(inventory, resources=journal)


@service.on(placed, emits=[reserved, refused], retry=PATIENT, **delivery())
async def reserve(context: Inventory, order: Order) -> None:
    """Take the units from the shelf."""
    if order.units > LARGEST_ORDER:
        await apply(context, "refused", _now(order), order.group)
        context.emit(refused, order)
        return
    await apply(context, "reserved", _now(order), order.group, amount=order.units)
    context.emit(reserved, order)


@service.on(declined, retry=PATIENT, **delivery())
async def release(context: Inventory, order: Order) -> None:
    """Put the units back."""
    await apply(context, "released", _now(order), order.group, amount=-order.units)


def _now(order: Order) -> NewOrder:
    return NewOrder(**order.model_dump())
