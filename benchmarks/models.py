"""The payloads of all benchmarks."""

from __future__ import annotations

from pydantic import BaseModel


class Line(BaseModel):
    """One article of an order."""

    sku: str
    quantity: int
    cents: int


class Order(BaseModel):
    """What is asked for, and what the events are about."""

    order: str
    customer: str
    currency: str
    lines: list[Line]


class Quote(BaseModel):
    """What is answered."""

    order: str
    currency: str
    cents: int


def order(number: int = 0) -> Order:
    """An order of ordinary size."""
    lines = [Line(sku="chair-oak-4", quantity=4, cents=8900), Line(sku="table-oak-1", quantity=1, cents=45900)]
    return Order(order=f"order-{number}", customer="customer-77", currency="EUR", lines=lines)


def quote(asked: Order) -> Quote:
    """The work that every side does."""
    cents = sum(line.cents * line.quantity for line in asked.lines)
    return Quote(order=asked.order, currency=asked.currency, cents=cents)
