"""Payments that are asked for: a command that takes so long that it is acknowledged while it is in hand."""

from __future__ import annotations

import asyncio

from pillion import Context, Service
from tests.chaos.business.book import apply, delivery
from tests.chaos.business.contract import (
    Order,
    Page,
    asked,
    collect,
    collected,
    collection_charged,
    collection_declined,
)
from tests.chaos.business.journal import Journal, journal

# What takes longer than half a second is in custody.
SLOW_SECONDS = 0.8
# A claim lasts ten seconds longer, and as long the shelf keeps what is in custody before it looks what became of it.
TIMEOUT_SECONDS = 3.0

Payments = Context[None, Journal]
service = Service(asked, resources=journal)


@service.handles(collect, emits=[collection_charged, collection_declined], **delivery(TIMEOUT_SECONDS))
async def charge(context: Payments, order: Order) -> None:
    """Charge the account, if it can pay; two of three take long."""
    if max(0, order.number) % 3:
        await asyncio.sleep(SLOW_SECONDS)
    if not order.covered:
        await apply(context, "declined", order, order.group)
        context.emit(collection_declined, order)
        return
    await apply(context, "charged", order, order.group, amount=order.cents)
    context.emit(collection_charged, order)


@service.handles(collected)
async def settled(context: Payments, order: Order) -> bool:
    """Whether that is done, well or not."""
    page = await context.state.of(Page).get(str(order.group)) or Page()
    return not page.effects.keys().isdisjoint({f"{order.number}:charged", f"{order.number}:declined"})
