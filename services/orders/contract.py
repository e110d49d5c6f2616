"""What the orders service offers: placing and cancelling orders. Amounts are in cents."""

from __future__ import annotations

from typing import Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

from pillion import Contract, Expose, Failure
from services.inventory.contract import Line

orders = Contract("orders", description="Orders, from placed to confirmed, rejected or cancelled.")

Status = Literal["placed", "confirmed", "rejected", "cancelled"]


class PlaceOrder(BaseModel):
    """A customer orders."""

    model_config = ConfigDict(extra="forbid")

    # Made by whoever asks: asking again with the same id, for example after a time-out, does not order twice.
    order_id: str = Field(default_factory=lambda: uuid4().hex, min_length=1, max_length=64)
    email: str = Field(pattern=r"^[^@\s]+@[^@\s]+$", max_length=254)
    card: str = Field(pattern=r"^\d{12,19}$", repr=False)
    lines: list[Line] = Field(min_length=1, max_length=50)


class Order(BaseModel):
    """An order and what became of it."""

    order_id: str
    email: str
    lines: list[Line]
    status: Status
    total: int = 0
    reason: str = Field(default="", description="Why it was rejected.")


class OrderUnknown(Failure):
    """There is no such order."""

    status = 404
    order_id: str


class OrderTaken(Failure):
    """Another order has this id; choose another."""

    status = 409
    order_id: str


class NotCancellable(Failure):
    """Only a confirmed order can be cancelled."""

    status = 409
    order_status: Status


placed = orders.event("placed", Order)
confirmed = orders.event("confirmed", Order)
rejected = orders.event("rejected", Order)
cancelled = orders.event("cancelled", Order)

place = orders.command(
    "place",
    PlaceOrder,
    Order,
    raises=[OrderTaken],
    expose=Expose("POST", "/orders", public=True, status=201),
    description="Order something. The answer says whether the order is confirmed, or why it is rejected.",
    examples=[
        PlaceOrder(
            order_id="o-1", email="ada@example.com", card="4242424242424242", lines=[Line(sku="tea", quantity=2)]
        )
    ],
)
cancel = orders.command(
    "cancel",
    str,
    Order,
    raises=(OrderUnknown, NotCancellable),
    expose=Expose("POST", "/orders/{order_id}/cancellation"),
    description="Cancel a confirmed order: the money goes back, and so do the goods.",
)
look_up = orders.command(
    "look_up",
    str,
    Order,
    raises=[OrderUnknown],
    expose=Expose("GET", "/orders/{order_id}"),
    description="What became of an order.",
)
