"""The inventory service.

Goods are taken from several shelves at once. With ``once=True`` all of it is written together with the mark that the
command was handled; when somebody else changed a shelf meanwhile, nothing is written and the handler runs again.
"""

from __future__ import annotations

from pillion import Context, Service
from services.inventory.config import InventoryConfig
from services.inventory.contract import (
    Item,
    ItemUnknown,
    Reserve,
    Reserved,
    Stock,
    inventory,
    look_up,
    release,
    reserve,
    stock,
)
from services.inventory.shelves import Shelves

service = Service(inventory, config=InventoryConfig)


@service.handles(stock, once=True)
async def take_in(ctx: Context[InventoryConfig], goods: Stock) -> Item:
    return await _shelves(ctx).stock(goods.sku, goods.quantity, goods.price)


@service.handles(look_up)
async def find_item(ctx: Context[InventoryConfig], sku: str) -> Item:
    item = await _shelves(ctx).find(sku)
    if item is None:
        raise ItemUnknown(sku=sku)
    return item


@service.handles(reserve, once=True)
async def reserve_for_order(ctx: Context[InventoryConfig], request: Reserve) -> Reserved:
    reservations = ctx.state.of(Reserved)
    if known := await reservations.get(request.order_id):
        return known
    total = await _shelves(ctx).take(request.lines)
    reserved = Reserved(order_id=request.order_id, lines=request.lines, total=total)
    await reservations.set(request.order_id, reserved)
    return reserved


@service.handles(release, once=True)
async def release_order(ctx: Context[InventoryConfig], order_id: str) -> None:
    reservations = ctx.state.of(Reserved)
    if reserved := await reservations.get(order_id):
        await reservations.delete(order_id)
        await _shelves(ctx).put_back(reserved.lines)


def _shelves(ctx: Context[InventoryConfig]) -> Shelves:
    return Shelves(ctx.state, ctx.settings)
