"""Handles events with pillion: ``pillion run benchmarks.apps.pillion_subscriber:service``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.apps.pillion_shop import placed
from benchmarks.load import Tally, answering
from benchmarks.models import Order
from pillion import Service, Setup

tally = Tally()


@asynccontextmanager
async def reporting(_: Setup) -> AsyncIterator[None]:
    answers = asyncio.create_task(answering(tally.answer))
    yield
    answers.cancel()


service = Service("billing", resources=reporting)


@service.on(placed)
async def handle(_: Order) -> None:
    tally.add()
