"""Orders: takes them, and hears from the others how they end."""

from __future__ import annotations

from pillion import Context, Retry, Service
from tests.chaos.business.book import PATIENT, apply, delivery
from tests.chaos.business.contract import Order, Page, charged, declined, noted, orders, place, placed, refused
from tests.chaos.business.journal import Journal, journal

Orders = Context[None, Journal]
service = Service(orders, resources=journal)


@service.handles(place, emits=[placed], **delivery())
async def take(context: Orders, order: Order) -> None:
    """Remember the order and tell of it."""
    await apply(context, "placed", order, order.number, status="placed")
    context.emit(placed, order)


@service.on(charged, retry=PATIENT, **delivery())
async def confirm(context: Orders, order: Order) -> None:
    """It is paid."""
    await apply(context, "confirmed", order, order.number, status="confirmed")


@service.on(declined, retry=PATIENT, **delivery())
async def reject(context: Orders, order: Order) -> None:
    """It could not be paid."""
    await apply(context, "rejected", order, order.number, status="rejected")


@service.on(refused, retry=PATIENT, **delivery())
async def give_up(context: Orders, order: Order) -> None:
    """There is not enough of it."""
    await apply(context, "rejected", order, order.number, status="rejected")


@service.on(noted, retry=Retry(attempts=200, backoff="50ms..1s"), **delivery())
async def note(context: Orders, order: Order) -> None:
    """A note waits for its order."""
    if await context.state.of(Page).get(str(order.number)) is None:
        raise Retry("its order is not there yet")
    await apply(context, "noted", order, order.number)
