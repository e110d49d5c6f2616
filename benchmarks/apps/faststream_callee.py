"""Answers quotes over Redis channels with FastStream, without its log line per message."""

from __future__ import annotations

import os

import uvloop
from faststream.redis import RedisBroker

from benchmarks.load import Tally, answering
from benchmarks.models import Order, Quote, quote


async def main() -> None:
    tally = Tally()
    broker = RedisBroker(os.environ["REDIS_URL"], logger=None, max_connections=1000)

    @broker.subscriber("quotes")
    async def answer(asked: Order) -> Quote:
        tally.add()
        return quote(asked)

    async with broker:
        await broker.start()
        await answering(tally.answer)


if __name__ == "__main__":
    uvloop.run(main())
