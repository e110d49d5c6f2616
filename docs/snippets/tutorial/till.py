from pydantic import BaseModel
from stock import OutOfStock, Parcel, take

from pillion import Context, Expose, Service

till = Service("till")


class Sale(BaseModel):
    item: str
    amount: int


sold = till.contract.event("sold", Sale)


@till.command(calls=[take], emits=[sold], raises=[OutOfStock], expose=Expose("POST", "/sales", public=True))
async def buy(ctx: Context, parcel: Parcel) -> Sale:
    await ctx.call(take, parcel)
    sale = Sale(item=parcel.item, amount=parcel.amount)
    ctx.emit(sold, sale)
    return sale
