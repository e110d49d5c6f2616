"""Answers quotes with pillion: ``pillion run benchmarks.apps.pillion_callee:service``."""

from __future__ import annotations

from benchmarks.apps.pillion_quotes import ask, contract
from benchmarks.models import Order, Quote, quote
from pillion import Service

service = Service(contract)


@service.handles(ask)
async def answer(asked: Order) -> Quote:
    return quote(asked)
