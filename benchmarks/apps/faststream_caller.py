"""Asks for quotes over Redis channels with FastStream's ``request``."""

from __future__ import annotations

import os

import uvloop
from faststream.redis import RedisBroker

from benchmarks.load import holding
from benchmarks.models import Quote, order


async def main() -> None:
    broker = RedisBroker(os.environ["REDIS_URL"], logger=None, max_connections=1000)

    async def call() -> Quote:
        reply = await broker.request(order(), "quotes", timeout=10)
        return Quote.model_validate_json(reply.body)

    async with broker:
        await holding(call)


if __name__ == "__main__":
    uvloop.run(main())
