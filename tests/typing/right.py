"""Right usage, as a user would write it: mypy --strict and pyright must find nothing here. It is never run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import assert_type

from pydantic import BaseModel

from pillion import Context, Contract, Failure, Retry, Service, Setup, exact, guard
from pillion.testing.doubles import double
from pillion.testing.harness import HostFactory, hosted


class Charge(BaseModel):
    amount: int


class Charged(BaseModel):
    receipt: str


class Declined(Failure):
    status = 402
    reason: str
    limit: int = 0


class Config(BaseModel):
    currency: str = "EUR"


class Pool:
    size: int = 1


payments = Contract("payments", version=1)
charge = payments.command("charge", Charge, Charged, raises=[Declined], timeout=5)
ping = payments.command("ping", None, str)
forget = payments.command("forget", int)
charged = payments.event("charged", Charged)


@asynccontextmanager
async def connect(setup: Setup[Config]) -> AsyncIterator[Pool]:
    assert_type(setup.settings, Config)
    yield Pool()


service = Service(payments, config=Config, resources=connect)
assert_type(service, Service[Config, Pool])


@guard
async def is_owner(ctx: Context, request: Charge) -> bool:
    return ctx.message.principal_id is not None and request.amount > 0


@service.handles(charge, emits=[charged], guards=[is_owner], timeout=3)
async def charge_card(ctx: Context[Config, Pool], request: Charge) -> Charged:
    assert_type(ctx.settings, Config)
    assert_type(ctx.resources, Pool)
    if request.amount > 100:
        raise Declined(reason=ctx.settings.currency, limit=ctx.resources.size)
    result = Charged(receipt="1")
    ctx.emit(charged, result, key="card-1")
    return result


@service.handles(ping)
async def answer_ping() -> str:
    return "pong"


@service.handles(forget)
def forget_in_a_thread(number: int) -> None:
    print(number)


orders = Service("orders")


@orders.command(calls=[charge, ping, forget])
async def place(ctx: Context, request: Charge) -> str:
    answer = await ctx.call(charge, request, timeout=1)
    assert_type(answer, Charged)
    assert_type(await ctx.call(ping, None), str)
    ctx.send(forget, 1)
    return answer.receipt


@orders.command
async def hello(name: str) -> str:
    return f"Hello, {name}"


@orders.command
def now() -> int:
    return 1


@orders.on(charged, where=exact(tenant="acme"), retry=Retry(attempts=3))
async def react(ctx: Context, event: Charged) -> None:
    assert_type(await ctx.call(hello, event.receipt), str)
    assert_type(await ctx.call(now, None), int)


@orders.on(charged, name="shorter")
async def react_without_context(event: Charged) -> None:
    print(event.receipt)


@orders.on(charge.succeeded)
async def worked(event: Charged) -> None:
    print(event.receipt)


async def test_with_the_kit(host: HostFactory) -> None:
    async with host(orders, doubles=[double(charge).returns(Charged(receipt="2"))]) as app:
        assert_type(await app.call(place, Charge(amount=1)), str)
        assert_type(app.emitted(charged), list[Charged])
    async with hosted(service, config={"payments": Config()}, capture=True) as app:
        await app.emit(charged, Charged(receipt="3"))
        await app.send(charge, Charge(amount=1))
