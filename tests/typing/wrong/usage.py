"""Wrong usage: each line that is marked must be an error for mypy and for pyright, and no other line may be."""

from __future__ import annotations

from pydantic import BaseModel

from pillion import Context, Contract, Failure, Service
from pillion.testing.doubles import double
from pillion.testing.harness import Harness


class Charge(BaseModel):
    amount: int


class Charged(BaseModel):
    receipt: str


class Declined(Failure):
    reason: str


class Config(BaseModel):
    currency: str = "EUR"


payments = Contract("payments")
charge = payments.command("charge", Charge, Charged)
refund = payments.command("refund", Charge, Charged)
charged = payments.event("charged", Charged)
service = Service(payments, config=Config)


@service.handles(charge, calls=[charge], emits=[charged])
async def charge_card(ctx: Context[Config], request: Charge) -> Charged:
    await ctx.call(charge, Charged(receipt=""))  # wrong: the payload of a call
    ctx.send(charge, "a charge")  # wrong: the payload of a send
    ctx.emit(charged, Charge(amount=1))  # wrong: the payload of an event
    answer: Charge = await ctx.call(charge, request)  # wrong: the answer is of another type
    print(answer, ctx.settings.currencies)  # wrong: the settings have no such attribute
    if request.amount > 1:
        raise Declined(reason=1)  # wrong: a field of another type
    if request.amount > 2:
        raise Declined  # wrong: a field is missing
    return Charged(receipt="")


@service.handles(refund)  # wrong: the handler takes another type
async def refund_card(ctx: Context[Config], request: Charged) -> Charged:
    return request


@service.handles(refund)  # wrong: the handler answers another type
async def refund_again(ctx: Context[Config], request: Charge) -> str:
    return str(request)


@service.on(charged)  # wrong: the subscription takes another type
async def react(ctx: Context[Config], event: Charge) -> None:
    print(event)


async def in_a_test(app: Harness) -> None:
    await app.call(charge, 1)  # wrong: the payload of a call in a test
    await app.emit(charged, "charged")  # wrong: the payload of an event in a test
    double(charge).returns("charged")  # wrong: the answer of a double
