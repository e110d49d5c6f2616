"""What the services of the chaos business say to each other: an order ends confirmed, or rejected with all undone."""

from __future__ import annotations

from pydantic import BaseModel

from pillion import Contract

LARGEST_ORDER = 9


class Order(BaseModel):
    """An order, on every message about it.

    Attributes:
        number: from 0.
        units: taken from its shelf; more than ``LARGEST_ORDER`` are refused.
        cents: charged to its account.
        covered: whether the account can pay.
        group: which shelf and account; a few orders share one.
        gift: version N-1 does not know it.
    """

    number: int
    units: int
    cents: int
    covered: bool
    group: int
    gift: bool = False


class Page(BaseModel):
    """What a service remembers under one key.

    Attributes:
        status: of the order, where the page is an order's.
        total: units or cents taken.
        effects: how often each was applied, by ``<order>:<effect>``.
    """

    status: str = ""
    total: int = 0
    effects: dict[str, int] = {}


orders = Contract("orders")
place = orders.command("place", Order)
placed = orders.event("placed", Order)

inventory = Contract("inventory")
reserved = inventory.event("reserved", Order)
refused = inventory.event("refused", Order)

payments = Contract("payments")
charged = payments.event("charged", Order)
declined = payments.event("declined", Order)

# What a customer says about an order, which may come before the order itself.
customers = Contract("customers")
noted = customers.event("noted", Order)

# Payments as they are when somebody asks for each: the same events, and commands.
asked = Contract("payments")
collect = asked.command("collect", Order)
collected = asked.command("collected", Order, bool)
collection_charged = asked.event("charged", Order)
collection_declined = asked.event("declined", Order)
