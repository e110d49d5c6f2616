from till import Sale, sold

from pillion import Context, Service

diary = Service("diary")


@diary.on(sold)
async def note(ctx: Context, sale: Sale) -> None:
    amount = await ctx.state.get(sale.item, int) or 0
    await ctx.state.set(sale.item, amount + sale.amount)


@diary.command
async def sold_so_far(ctx: Context, item: str) -> int:
    return await ctx.state.get(item, int) or 0
