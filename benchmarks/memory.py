"""Command round trips on the memory bridge, beside the same pydantic work through a bare asyncio queue and future."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from benchmarks.models import Order, Quote, order, quote
from benchmarks.rounds import ratio
from pillion.bridges.memory.bridge import MemoryBridge
from pillion.runtime.host import Host
from pillion.runtime.stores import Stores
from pillion.service.service import Service

IN_FLIGHT = (1, 16, 64)
REPORTED = 16
ROUNDS = 11
CALLS = 20_000

Call = Callable[[], Awaitable[object]]


ORDER = order()
quotes = Service("quotes")


async def answered(asked: Order) -> Quote:
    return quote(asked)


ask = quotes.command(answered)


class Floor:
    """JSON in, pydantic in and out, JSON out, with nothing between caller and handler but a queue and a future."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._write, self._read = Order.__pydantic_serializer__.to_json, Quote.__pydantic_validator__.validate_json
        self._queue: asyncio.Queue[tuple[bytes, asyncio.Future[bytes]]] = asyncio.Queue()
        self._worker = self._loop.create_task(self._work())

    async def call(self) -> object:
        reply: asyncio.Future[bytes] = self._loop.create_future()
        self._queue.put_nowait((self._write(ORDER), reply))
        return self._read(await reply)

    async def _work(self) -> None:
        read, write = Order.__pydantic_validator__.validate_json, Quote.__pydantic_serializer__.to_json
        while True:
            body, reply = await self._queue.get()
            reply.set_result(write(await answered(read(body))))

    def close(self) -> None:
        self._worker.cancel()


async def rates() -> dict[int, list[tuple[float, float]]]:
    """Calls per second of ours and of the floor, by how many are in flight; the two take turns in each round."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    floor = Floor()
    found: dict[int, list[tuple[float, float]]] = {count: [] for count in IN_FLIGHT}
    async with Host(quotes, bridge=MemoryBridge(), stores=Stores(lambda _: None)) as host:

        def call() -> Awaitable[object]:
            return host.call(ask, ORDER)

        for _ in range(ROUNDS):
            for count, pairs in found.items():
                pairs.append((await _per_second(call, count), await _per_second(floor.call, count)))
    floor.close()
    return found


async def _per_second(call: Call, in_flight: int) -> float:
    async def caller() -> None:
        for _ in range(CALLS // in_flight):
            await call()

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(in_flight)))
    return CALLS / (time.perf_counter() - began)


def measure() -> dict[str, Any]:
    """Measure and print; of the rates the best rounds count.

    ``per_second`` and ``of_floor`` are of one measurement, with 16 in flight as in the other benchmarks of commands.
    ``cells`` has both figures for each number in flight.
    """
    print("memory bridge: command round trips per second, beside a bare asyncio queue and future")
    cells = {}
    for count, pairs in asyncio.run(rates()).items():
        ours, floor = zip(*pairs, strict=True)
        of_floor = ratio(ours, floor)
        print(f"  {count:3} in flight: {max(ours):9,.0f}   floor {max(floor):9,.0f}   of floor {of_floor:.2f}")
        cells[str(count)] = {"per_second": round(max(ours)), "of_floor": round(of_floor, 3)}
    return {**cells[str(REPORTED)], "cells": cells}


if __name__ == "__main__":
    print(json.dumps(measure()))
