"""The orders service: brings inventory and payments together, and undoes what was done when one of them fails.

With ``once=True`` the order and what is told about it are written together, and a command that comes twice is handled
once. Calls to others are outside of that, so they carry the order's id: what breaks off in the middle is finished by
placing the order again.
"""

from __future__ import annotations

from pillion import Context, Failure, Service
from services.inventory import contract as inventory
from services.orders.contract import (
    NotCancellable,
    Order,
    OrderTaken,
    OrderUnknown,
    PlaceOrder,
    cancel,
    cancelled,
    confirmed,
    look_up,
    orders,
    place,
    placed,
    rejected,
)
from services.payments import contract as payments

service = Service(orders)


@service.handles(
    place,
    calls=[inventory.reserve, inventory.release, payments.charge, payments.refund],
    emits=[placed, confirmed, rejected],
    once=True,
)
async def place_order(ctx: Context, request: PlaceOrder) -> Order:
    stored = ctx.state.of(Order)
    if known := await stored.get(request.order_id):
        if (known.email, known.lines) != (request.email, request.lines):
            raise OrderTaken(order_id=request.order_id)  # anybody may place orders, but not see those of others
        return known
    order = Order(order_id=request.order_id, email=request.email, lines=request.lines, status="placed")
    done = await _fulfil(ctx, order, request.card)
    await stored.set(done.order_id, done)
    # Events leave together, in this order, and only when this handler has succeeded.
    ctx.emit(placed, order)
    ctx.emit(confirmed if done.status == "confirmed" else rejected, done)
    return done


@service.handles(cancel, calls=[inventory.release, payments.refund], emits=[cancelled], once=True)
async def cancel_order(ctx: Context, order_id: str) -> Order:
    stored = ctx.state.of(Order)
    order = await _known(ctx, order_id)
    if order.status == "cancelled":
        return order
    if order.status != "confirmed":
        raise NotCancellable(order_status=order.status)
    await ctx.call(payments.refund, order_id)
    await ctx.call(inventory.release, order_id)
    order = order.model_copy(update={"status": "cancelled"})
    await stored.set(order_id, order)
    ctx.emit(cancelled, order)
    return order


@service.handles(look_up)
async def find_order(ctx: Context, order_id: str) -> Order:
    return await _known(ctx, order_id)


async def _fulfil(ctx: Context, order: Order, card: str) -> Order:
    """The order, confirmed; or rejected, with nothing reserved and nothing charged."""
    try:
        reserved = await ctx.call(inventory.reserve, inventory.Reserve(order_id=order.order_id, lines=order.lines))
        charge = payments.Charge(order_id=order.order_id, amount=reserved.total, card=card)
        await ctx.call(payments.charge, charge)
    except Failure as failure:
        ctx.log.info("order rejected", order_id=order.order_id, code=failure.code)
        # Sent, not called: these arrive even if inventory or payments are down now. A refund is due as well: after a
        # time-out nobody here knows whether the card was charged.
        ctx.send(inventory.release, order.order_id)
        ctx.send(payments.refund, order.order_id)
        return order.model_copy(update={"status": "rejected", "reason": str(failure)})
    return order.model_copy(update={"status": "confirmed", "total": reserved.total})


async def _known(ctx: Context, order_id: str) -> Order:
    order = await ctx.state.of(Order).get(order_id)
    if order is None:
        raise OrderUnknown(order_id=order_id)
    return order
