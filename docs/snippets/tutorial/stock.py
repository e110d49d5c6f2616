from pydantic import BaseModel

from pillion import Context, Failure, Service

stock = Service("stock")


class Parcel(BaseModel):
    item: str
    amount: int


class OutOfStock(Failure):
    """There is not enough of it."""

    status = 409
    item: str
    left: int


@stock.command
async def deliver(ctx: Context, parcel: Parcel) -> int:
    amount = await ctx.state.get(parcel.item, int) or 0
    await ctx.state.set(parcel.item, amount + parcel.amount)
    return amount + parcel.amount


@stock.command(raises=[OutOfStock])
async def take(ctx: Context, parcel: Parcel) -> int:
    left = await ctx.state.get(parcel.item, int) or 0
    if left < parcel.amount:
        raise OutOfStock(item=parcel.item, left=left)
    await ctx.state.set(parcel.item, left - parcel.amount)
    return left - parcel.amount
