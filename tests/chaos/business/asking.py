"""Inventory that asks for the payment of what it reserved, until it knows that it is done."""

from __future__ import annotations

from pillion import Context, Retry, Service
from tests.chaos.business.book import PATIENT, delivery
from tests.chaos.business.contract import Order, collect, collected, declined, inventory, placed, refused, reserved
from tests.chaos.business.inventory import release, reserve
from tests.chaos.business.journal import Journal, journal

_PATIENCE_SECONDS = 5.0
# Those who ask too often are in the way of the answers.
_ASKING = Retry(attempts=60, backoff="1s..4s")

Inventory = Context[None, Journal]
service = Service(inventory, resources=journal)
service.on(placed, emits=[reserved, refused], retry=PATIENT, **delivery())(reserve)
service.on(declined, retry=PATIENT, **delivery())(release)


@service.on(reserved, calls=[collect, collected], retry=_ASKING, **delivery())
async def pay(context: Inventory, order: Order) -> None:
    """Ask for the payment.

    After a call without an answer one in four asks for the same again, which lets leave what has not left. The others
    only look whether it was done; then payments alone can see to it that everybody hears of it.
    """
    looks = order.number % 4 > 0 and context.message.attempt > 1
    if looks and await context.call(collected, order, timeout=_PATIENCE_SECONDS):
        return
    await context.call(collect, order, timeout=_PATIENCE_SECONDS, idempotency_key=f"collect-{order.number}")
