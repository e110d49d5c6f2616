"""Handles events with pillion: ``pillion run benchmarks.apps.pillion_subscriber:service``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.apps.pillion_shop import placed
from benchmarks.load import Tally, answering
from benchmarks.models import Order, quote
from pillion import Context, Service, Setup


@asynccontextmanager
async def counting(_: Setup) -> AsyncIterator[Tally]:
    tally = Tally()
    answers = asyncio.create_task(answering(tally.answer))
    yield tally
    answers.cancel()


service = Service("billing", resources=counting)


@service.on(placed)
async def handle(ctx: Context, order: Order) -> None:
    quote(order)
    ctx.resources.add()
