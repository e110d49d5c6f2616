"""What the inventory service offers: what there is to sell, at which price, and what is reserved for whom."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from pillion import Contract, Expose, Failure

inventory = Contract("inventory", description="Stock, prices and reservations.")


class Stock(BaseModel):
    """Goods arrived."""

    model_config = ConfigDict(extra="forbid")

    sku: str = Field(min_length=1, max_length=64)
    quantity: int = Field(ge=1, description="How many arrived.")
    price: int = Field(ge=0, description="Of one, in cents.")


class Item(BaseModel):
    """Something to sell."""

    sku: str
    available: int
    price: int = Field(description="Of one, in cents.")


class Line(BaseModel):
    """So many of these."""

    model_config = ConfigDict(extra="forbid")

    sku: str
    quantity: int = Field(ge=1, le=1000)


class Reserve(BaseModel):
    """Keep these for an order."""

    order_id: str
    lines: list[Line]


class Reserved(BaseModel):
    """What is kept for an order, and what it costs in cents."""

    order_id: str
    lines: list[Line]
    total: int


class OutOfStock(Failure):
    """Not enough of it is left."""

    status = 409
    sku: str
    available: int


class ItemUnknown(Failure):
    """Nothing of this name was ever in stock."""

    status = 404
    sku: str


stock = inventory.command(
    "stock",
    Stock,
    Item,
    expose=Expose("POST", "/inventory/{sku}/stock"),
    description="Take goods into stock, and set their price.",
)
look_up = inventory.command(
    "look_up",
    str,
    Item,
    raises=[ItemUnknown],
    expose=Expose("GET", "/inventory/{sku}", public=True),
    description="How many are left, at which price.",
)
# Only other services reserve and release, so these have no place in the HTTP API.
reserve = inventory.command(
    "reserve",
    Reserve,
    Reserved,
    raises=[OutOfStock],
    timeout=5,
    description="Keep goods for an order. Asking again for the same order changes nothing.",
)
release = inventory.command(
    "release",
    str,
    timeout=5,
    description="Put back what was reserved for this order. Harmless when nothing is.",
)
