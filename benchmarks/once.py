"""What ``once=`` costs: events handled by a handler that writes state and publishes, with inbox and outbox and without.

Embedded, over a SQLite file; and beside real daprds, over Redis, which keeps the state as well.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks.apps.pillion_shop import placed
from benchmarks.events_redis import Pair
from benchmarks.models import Order, order
from benchmarks.rig import App, Rig, port, require, sidecar_environment
from benchmarks.rounds import ratio
from pillion import Context, Contract, Service
from pillion.bridges.memory.bridge import MemoryBridge
from pillion.runtime.host import Host
from pillion.runtime.stores import Stores
from pillion.stores.sqlite import SQLiteStateStore

ROUNDS = 3
EMBEDDED_EVENTS = 5_000
EVENTS = 2_000
WARM_UP = 300
IN_FLIGHT = 200
WINDOW = timedelta(hours=1)


async def measure() -> dict[str, Any]:
    """Both ways in turns; medians of the rounds."""
    embedded = [(await _embedded(once=False), await _embedded(once=True)) for _ in range(ROUNDS)]
    found = {"embedded": _compared(embedded)}
    require(daprd=True, redis=True)
    async with Rig() as rig:
        await rig.redis()
        # One after another: both are the app "orders", whose state the profile has.
        plain, once = await _beside(rig, once=False), await _beside(rig, once=True)
    return {**found, "redis": _compared(list(zip(plain, once, strict=True)))}


def _compared(rates: list[tuple[float, float]]) -> dict[str, float]:
    plain, once = zip(*rates, strict=True)
    return {
        "per_second": statistics.median(once),
        "plain_per_second": statistics.median(plain),
        "of_plain": ratio(once, plain),
    }


async def _embedded(*, once: bool) -> float:
    billing = Contract("billing")
    billed = billing.event("billed", Order)
    service = Service(billing)

    @service.on(placed, emits=[billed], once=WINDOW if once else False)
    async def bill(ctx: Context, request: Order) -> None:
        await ctx.state.set(ctx.message.id, request)
        ctx.emit(billed, request)

    bridge = MemoryBridge()
    with tempfile.TemporaryDirectory(prefix="pillion-bench-") as folder:
        store = SQLiteStateStore(Path(folder) / "billing.db")
        async with Host(service, bridge=bridge, stores=Stores(lambda _: store)) as host:
            begun = time.perf_counter()
            for number in range(EMBEDDED_EVENTS):
                await host.emit(placed, order(number))
            await bridge.broker.quiet()
            return EMBEDDED_EVENTS / (time.perf_counter() - begun)


async def _beside(rig: Rig, *, once: bool) -> list[float]:
    environment = {"PILLION_BENCH_ONCE": "1" if once else "0"}
    handler, sidecar = await _app(rig, "orders", "benchmarks.apps.pillion_billing:service", environment)
    publisher, other = await _app(rig, "shop", "", {})
    pair = Pair(publisher, handler, IN_FLIGHT)
    await pair.per_second(WARM_UP)
    rates = [await pair.per_second(EVENTS) for _ in range(ROUNDS)]
    await asyncio.gather(sidecar.stop(), other.stop())
    await asyncio.gather(handler.stop(), publisher.stop())
    return rates


async def _app(rig: Rig, app_id: str, target: str, environment: dict[str, str]) -> tuple[App, Any]:
    argv = ("pillion", "run", target, "--bridge", "dapr") if target else ("benchmarks.apps.pillion_publisher",)
    options = rig.options(app_id, port())
    app = await rig.app("-m", *argv, PILLION_PROFILE=str(rig.profile), **sidecar_environment(options), **environment)
    sidecar = await rig.sidecar(options)
    await app.listening(options.app_port or 0)
    await sidecar.wait_serving()
    return app, sidecar


if __name__ == "__main__":
    print(asyncio.run(measure()))
