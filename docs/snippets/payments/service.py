from payments.contract import CardDeclined, ChargeCard, Charged, charge, charged, payments
from payments.risk import Assess, assess

from pillion import Context, Service

service = Service(payments)


@service.handles(charge, calls=[assess], emits=[charged], timeout=5)
async def charge_card(ctx: Context, request: ChargeCard) -> Charged:
    verdict = await ctx.call(assess, Assess(card=request.card, amount=request.amount))
    if not verdict.ok:
        raise CardDeclined(reason=verdict.why)
    result = Charged(order_id=request.order_id, amount=request.amount)
    ctx.emit(charged, result)  # leaves only if the handler succeeds
    return result
