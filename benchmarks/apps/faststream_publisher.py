"""Publishes events to a Redis stream with FastStream."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

import uvloop
from faststream.redis import RedisBroker

from benchmarks.load import answering, repeat
from benchmarks.models import order


async def main() -> None:
    broker = RedisBroker(os.environ["REDIS_URL"], logger=None, max_connections=1000)

    async def publish(number: int) -> None:
        await broker.publish(order(number), stream="faststream-orders")

    async def answer(question: Mapping[str, Any]) -> Mapping[str, Any]:
        begun = time.monotonic()
        await repeat(publish, question["count"], question["in_flight"])
        return {"begun": begun, "ended": time.monotonic()}

    async with broker:
        await answering(answer)


if __name__ == "__main__":
    uvloop.run(main())
