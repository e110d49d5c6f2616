"""What the two sides of a pillion pair have in common; its name comes from the environment, as there are several."""

from __future__ import annotations

import os

from benchmarks.models import Order, Quote
from pillion import Contract

contract = Contract(os.environ["BENCH_QUOTES"])
ask = contract.command("ask", Order, Quote)
