"""Publishes events with pillion, beside its sidecar."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

import uvloop

from benchmarks.apps.pillion_shop import contract, placed
from benchmarks.load import answering, repeat
from benchmarks.models import order
from pillion import Service
from pillion.runtime.assembly import assemble
from pillion.runtime.environment import host_settings


async def main() -> None:
    async with assemble([Service(contract)], host_settings(bridge="dapr"), os.environ) as host:

        async def publish(number: int) -> None:
            await host.emit(placed, order(number))

        async def answer(question: Mapping[str, Any]) -> Mapping[str, Any]:
            begun = time.monotonic()
            await repeat(publish, question["count"], question["in_flight"])
            return {"begun": begun, "ended": time.monotonic()}

        await answering(answer)


if __name__ == "__main__":
    uvloop.run(main())
