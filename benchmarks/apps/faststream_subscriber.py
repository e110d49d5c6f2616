"""Handles events of a Redis stream in a consumer group with FastStream, without its log line per message."""

from __future__ import annotations

import os

import uvloop
from faststream.redis import RedisBroker, StreamSub

from benchmarks.load import Tally, answering
from benchmarks.models import Order, quote


async def main() -> None:
    tally = Tally()
    broker = RedisBroker(os.environ["REDIS_URL"], logger=None, max_connections=1000)

    @broker.subscriber(stream=StreamSub("faststream-orders", group="orders", consumer="orders-1"))
    async def handle(placed: Order) -> None:
        quote(placed)
        tally.add()

    async with broker:
        await broker.start()
        await answering(tally.answer)


if __name__ == "__main__":
    uvloop.run(main())
