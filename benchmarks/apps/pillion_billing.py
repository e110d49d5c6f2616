"""Handles events by writing state and telling so; with PILLION_BENCH_ONCE=1 once for each event."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.apps.pillion_shop import placed
from benchmarks.load import Tally, answering
from benchmarks.models import Order
from pillion import Context, Contract, Service, Setup

tally = Tally()
contract = Contract("billing")
billed = contract.event("billed", Order)


@asynccontextmanager
async def reporting(_: Setup) -> AsyncIterator[None]:
    answers = asyncio.create_task(answering(tally.answer))
    yield
    answers.cancel()


service = Service(contract, resources=reporting, state="orders-state")


@service.on(placed, emits=[billed], once=os.environ.get("PILLION_BENCH_ONCE") == "1")
async def bill(ctx: Context, order: Order) -> None:
    await ctx.state.set(ctx.message.id, order)
    ctx.emit(billed, order)


@service.on(billed)
async def count(_: Order) -> None:
    tally.add()
