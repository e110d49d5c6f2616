"""The shelves: how many of each item are left, safe against others who take at the same time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from pillion import ConflictError, Unavailable
from pillion.state import State
from services.inventory.config import InventoryConfig
from services.inventory.contract import Item, Line, OutOfStock

_ATTEMPTS = 50


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
        return await self._change(sku, lambda item: _more(quantity, item).model_copy(update={"price": price}))

    async def take(self, line: Line) -> Item:
        """Take goods out.

        Raises:
            OutOfStock: there are not so many.
        """

        def taken(item: Item) -> Item:
            if item.available < line.quantity:
                raise OutOfStock(sku=item.sku, available=item.available)
            return item.model_copy(update={"available": item.available - line.quantity})

        return await self._change(line.sku, taken)

    async def put_back(self, lines: list[Line]) -> None:
        """Undo ``take``."""
        for line in lines:
            await self._change(line.sku, partial(_more, line.quantity))

    async def _change(self, sku: str, change: Callable[[Item], Item]) -> Item:
        # First write wins: when somebody else changed the item since it was read, read it again and try anew.
        for _ in range(_ATTEMPTS):
            found = await self._items.get_item(sku)
            item = found.value if found else self._first(sku) or Item(sku=sku, available=0, price=0)
            changed = change(item)
            try:
                await self._items.set(sku, changed, etag=found.etag if found else None, first_write=True)
            except ConflictError:
                continue
            return changed
        raise Unavailable(reason=f"too many at once want {sku}")

    def _first(self, sku: str) -> Item | None:
        opening = self._opening.get(sku)
        return Item(sku=sku, available=opening.quantity, price=opening.price) if opening else None


def _more(quantity: int, item: Item) -> Item:
    return item.model_copy(update={"available": item.available + quantity})
