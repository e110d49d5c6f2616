"""Settings of the inventory service: ``INVENTORY_…`` variables, or the section ``inventory`` of the config file."""

from __future__ import annotations

from pydantic import BaseModel, Field


class Opening(BaseModel):
    """What there is of an item before anything was stocked or sold."""

    quantity: int = Field(ge=0)
    price: int = Field(ge=0, description="Of one, in cents.")


class InventoryConfig(BaseModel):
    """Settings.

    Attributes:
        opening: stock on the first day by SKU, so that a new shop has something to sell.
    """

    opening: dict[str, Opening] = {
        "tea": Opening(quantity=1000, price=450),
        "cup": Opening(quantity=100, price=1200),
    }
