"""The inventory service.

A reservation touches several keys, and not every store can change them together (Redis writes the rest of a
transaction when one part fails). So each step stands for itself, in the order that is safe: a crash in between may keep
goods from being sold, but never sells what is not there.
"""

from __future__ import annotations

from pillion import ConflictError, Context, Service
from services.inventory.config import InventoryConfig
from services.inventory.contract import (
    Item,
    ItemUnknown,
    Line,
    OutOfStock,
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


@service.handles(stock)
async def take_in(ctx: Context[InventoryConfig], goods: Stock) -> Item:
    return await _shelves(ctx).stock(goods.sku, goods.quantity, goods.price)


@service.handles(look_up)
async def find_item(ctx: Context[InventoryConfig], sku: str) -> Item:
    item = await _shelves(ctx).find(sku)
    if item is None:
        raise ItemUnknown(sku=sku)
    return item


@service.handles(reserve)
async def reserve_for_order(ctx: Context[InventoryConfig], request: Reserve) -> Reserved:
    reservations = ctx.state.of(Reserved)
    if known := await reservations.get(request.order_id):
        return known
    reserved = Reserved(order_id=request.order_id, lines=request.lines, total=await _take(ctx, request.lines))
    try:
        await reservations.set(request.order_id, reserved, first_write=True)
    except ConflictError:
        # The same order, twice at the same time: the other one was first, and its reservation counts.
        await _shelves(ctx).put_back(request.lines)
        return await reservations.get(request.order_id) or reserved
    return reserved


@service.handles(release)
async def release_order(ctx: Context[InventoryConfig], order_id: str) -> None:
    reservations = ctx.state.of(Reserved)
    found = await reservations.get_item(order_id)
    if found is None:
        return
    try:
        await reservations.delete(order_id, etag=found.etag)
    except ConflictError:
        return  # somebody else releases it right now
    await _shelves(ctx).put_back(found.value.lines)


async def _take(ctx: Context[InventoryConfig], lines: list[Line]) -> int:
    """Take all lines or none; what they cost."""
    shelves, taken, total = _shelves(ctx), list[Line](), 0
    for line in lines:
        try:
            item = await shelves.take(line)
        except OutOfStock:
            await shelves.put_back(taken)
            raise
        taken.append(line)
        total += item.price * line.quantity
    return total


def _shelves(ctx: Context[InventoryConfig]) -> Shelves:
    return Shelves(ctx.state, ctx.settings)
