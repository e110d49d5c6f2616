"""Publishes events to a Redis stream with FastStream."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import uvloop

from benchmarks.apps.faststream_broker import broker
from benchmarks.load import answering, repeat
from benchmarks.models import order


async def main() -> None:
    redis = broker()

    async def publish(number: int) -> None:
        await redis.publish(order(number), stream="faststream-orders")

    async def answer(question: Mapping[str, Any]) -> Mapping[str, Any]:
        begun = time.monotonic()
        await repeat(publish, question["count"], question["in_flight"])
        return {"begun": begun, "ended": time.monotonic()}

    async with redis:
        await answering(answer)


if __name__ == "__main__":
    uvloop.run(main())
