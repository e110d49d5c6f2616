"""Asks for quotes over Redis channels with FastStream's ``request``."""

from __future__ import annotations

import uvloop

from benchmarks.apps.faststream_broker import broker
from benchmarks.load import holding
from benchmarks.models import Quote, order


async def main() -> None:
    redis = broker()

    async def call() -> Quote:
        reply = await redis.request(order(), "quotes", timeout=10)
        return Quote.model_validate_json(reply.body)

    async with redis:
        await holding(call)


if __name__ == "__main__":
    uvloop.run(main())
