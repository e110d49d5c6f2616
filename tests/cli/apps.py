"""Services for the tests of the command line, named there as ``tests.cli.apps:greeter``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import BaseModel

from pillion.context import Context
from pillion.errors import Failure
from pillion.outcome import Retry
from pillion.service.contract import Contract
from pillion.service.expose import Expose
from pillion.service.filter import exact, matching
from pillion.service.service import Service
from pillion.service.setup import Setup


class Greet(BaseModel):
    name: str


class Rude(Failure):
    """We do not greet such people"""

    code = "rude"
    status = 403
    whom: str


contract = Contract("greeter", description="Greets people.")
hello = contract.command(
    "hello", Greet, str, raises=[Rude], expose=Expose("POST", "/hello", public=True), examples=[Greet(name="Ada")]
)
greeted = contract.event("greeted", Greet, description="Somebody was greeted.")
greeter = Service(contract)


@greeter.handles(hello, emits=[greeted])
async def greet(ctx: Context, request: Greet) -> str:
    if request.name == "Bob":
        raise Rude(whom=request.name)
    ctx.emit(greeted, request)
    return f"Hello, {request.name}!"


@greeter.command
async def whoami(ctx: Context, _: None) -> list[str | None]:
    return [ctx.message.tenant_id, ctx.message.principal_id]


@greeter.command
async def crash(_: None) -> None:
    raise ZeroDivisionError


@greeter.command
async def blob(data: bytes) -> bytes:
    return data[::-1]


greeter2 = Service("greeter", version=2)


@greeter2.command(name="hello")
async def hello_again(name: str) -> dict[str, str]:
    return {"greeting": f"Hi, {name}, Ünï"}


log = Contract("log")
noted = log.event("noted", Greet)
logger = Service(log)


@logger.on(greeted, emits=[noted], where=~exact(tenant="secret"))
async def note(ctx: Context, event: Greet) -> None:
    if event.name == "Eve":
        raise ValueError("no notes about Eve")
    ctx.emit(noted, event)


@logger.on(noted, where=matching(lambda message: message.tenant_id is None), retry=Retry(attempts=1), dead_letter=False)
async def archive(_: Greet) -> None:
    pass


caller = Service("caller")


@caller.command(calls=[hello], deprecated="call greeter yourself")
async def pass_on(ctx: Context, request: Greet) -> str:
    return await ctx.call(hello, request)


@asynccontextmanager
async def no_database(_: Setup) -> AsyncIterator[None]:
    raise RuntimeError("no database")
    yield


broken = Service("broken", resources=no_database)


@broken.command
async def act(_: int) -> None: ...
