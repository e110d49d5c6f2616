"""Answers quotes over Redis channels with FastStream."""

from __future__ import annotations

import uvloop

from benchmarks.apps.faststream_broker import broker
from benchmarks.load import Tally, answering
from benchmarks.models import Order, Quote, quote


async def main() -> None:
    tally = Tally()
    redis = broker()

    @redis.subscriber("quotes")
    async def answer(asked: Order) -> Quote:
        tally.add()
        return quote(asked)

    async with redis:
        await redis.start()
        await answering(tally.answer)


if __name__ == "__main__":
    uvloop.run(main())
