"""The shelves: how many of each item are left."""

from __future__ import annotations

from pillion.state import State
from services.inventory.config import InventoryConfig
from services.inventory.contract import Item, Line, OutOfStock


class Shelves:
    """Items in the service's state.

    Args:
        state: of the service.
        config: knows the opening stock.
    """

    def __init__(self, state: State, config: InventoryConfig) -> None:
        self._items = state.of(Item)
        self._opening = config.opening

    async def find(self, sku: str) -> Item | None:
        """The item, or None when there never was one."""
        return await self._items.get(sku) or self._first(sku)

    async def stock(self, sku: str, quantity: int, price: int) -> Item:
        """Add goods, and set the price."""
        item = await self._find(sku)
        return await self._keep(item.model_copy(update={"available": item.available + quantity, "price": price}))

    async def take(self, lines: list[Line]) -> int:
        """Take goods out; what they cost, in cents.

        Raises:
            OutOfStock: there are not so many of one of them.
        """
        total = 0
        for line in lines:
            item = await self._find(line.sku)
            if item.available < line.quantity:
                raise OutOfStock(sku=item.sku, available=item.available)
            await self._keep(item.model_copy(update={"available": item.available - line.quantity}))
            total += item.price * line.quantity
        return total

    async def put_back(self, lines: list[Line]) -> None:
        """Undo ``take``."""
        for line in lines:
            item = await self._find(line.sku)
            await self._keep(item.model_copy(update={"available": item.available + line.quantity}))

    async def _find(self, sku: str) -> Item:
        return await self.find(sku) or Item(sku=sku, available=0, price=0)

    async def _keep(self, item: Item) -> Item:
        await self._items.set(item.sku, item)
        return item

    def _first(self, sku: str) -> Item | None:
        opening = self._opening.get(sku)
        return Item(sku=sku, available=opening.quantity, price=opening.price) if opening else None
