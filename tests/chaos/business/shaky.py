"""Payments whose bank often does not answer: three of four events wait for one, two or three further attempts."""

from __future__ import annotations

from pillion import Context, Retry, Service
from pillion.errors import Unavailable
from tests.chaos.business import payments as steady
from tests.chaos.business.book import delivery
from tests.chaos.business.contract import Order, charged, declined, payments, reserved
from tests.chaos.business.journal import Journal, journal

# Waits of more than a second are spent on the shelf.
WAIT_SECONDS = 1.5
_PARKING = Retry(attempts=60, backoff="1200ms..2s", jitter=0.0)

Payments = Context[None, Journal]
service = Service(payments, resources=journal)


@service.on(reserved, emits=[charged, declined], retry=_PARKING, **delivery())
async def charge(context: Payments, order: Order) -> None:
    """Charge the account once the bank answers."""
    if context.message.attempt <= failures_of(order):
        raise Retry("the bank is away", after=WAIT_SECONDS) if order.number % 2 else Unavailable(reason="no bank")
    await steady.charge(context, order)


def failures_of(order: Order) -> int:
    """How many attempts fail for an order."""
    return max(0, order.number) % 4
