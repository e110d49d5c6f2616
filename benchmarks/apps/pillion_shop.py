"""The event of the benchmarks."""

from __future__ import annotations

from benchmarks.models import Order
from pillion import Contract

contract = Contract("shop")
placed = contract.event("placed", Order)
