"""Handles events of a Redis stream in a consumer group with FastStream."""

from __future__ import annotations

import uvloop
from faststream.redis import StreamSub

from benchmarks.apps.faststream_broker import broker
from benchmarks.load import Tally, answering
from benchmarks.models import Order


async def main() -> None:
    tally = Tally()
    redis = broker()

    @redis.subscriber(stream=StreamSub("faststream-orders", group="orders", consumer="orders-1"))
    async def handle(_: Order) -> None:
        tally.add()

    async with redis:
        await redis.start()
        await answering(tally.answer)


if __name__ == "__main__":
    uvloop.run(main())
