"""Commands over Redis through real daprds, beside a hand-written pair and FastStream's request on the same Redis."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.rig import App, Rig, port, require, sidecar_environment
from benchmarks.rounds import medians, ratio

ROUNDS = 5
SECONDS = 1.0
IN_FLIGHT = (1, 16, 128)
# Name of each pillion pair: its transport, and how commands and replies are delivered.
PILLION = {"latency": ("pubsub", "single"), "throughput": ("pubsub", "bulk"), "invocation": ("invocation", "single")}

# The rounds of each pair, by its name and how many calls are in flight.
Cells = Mapping[tuple[str, int], Sequence[Mapping[str, float]]]


async def measure() -> dict[str, Any]:
    """Every pair with 1, 16 and 128 calls in flight, in turns."""
    require(daprd=True, redis=True, modules=("faststream",))
    async with Rig() as rig:
        await rig.redis()
        callers = {"faststream": await _faststream(rig), "raw": await _raw(rig)}
        for name, (commands, delivery) in PILLION.items():
            callers[name] = await _pillion(rig, name, commands, delivery)
        return _figures(await _rounds(callers))


async def _faststream(rig: Rig) -> App:
    callee = await rig.app("-m", "benchmarks.apps.faststream_callee", REDIS_URL=rig.redis_url)
    await callee.ask({})  # it listens: a request that nobody hears is lost
    return await rig.app("-m", "benchmarks.apps.faststream_caller", REDIS_URL=rig.redis_url)


async def _raw(rig: Rig) -> App:
    await _beside_sidecar(rig, "raw-callee", "-m", "benchmarks.apps.raw_callee")
    return await _beside_sidecar(rig, "raw-caller", "-m", "benchmarks.apps.raw_caller")


async def _pillion(rig: Rig, name: str, commands: str, delivery: str) -> App:
    settings = {"BENCH_QUOTES": f"quotes-{name}", "PILLION_COMMANDS": commands, "PILLION_COMMAND_DELIVERY": delivery}
    settings["PILLION_PROFILE"] = str(rig.profile)
    callee = ("-m", "pillion", "run", "benchmarks.apps.pillion_callee:service", "--bridge", "dapr")
    await _beside_sidecar(rig, f"quotes-{name}", *callee, **settings)
    return await _beside_sidecar(rig, f"asker-{name}", "-m", "benchmarks.apps.pillion_caller", **settings)


async def _beside_sidecar(rig: Rig, app_id: str, *argv: str, **environment: str) -> App:
    options = rig.options(app_id, port())
    app = await rig.app(*argv, **environment, **sidecar_environment(options))
    sidecar = await rig.sidecar(options)
    await app.listening(options.app_port or 0)
    await sidecar.wait_serving()
    return app


async def _rounds(callers: dict[str, App]) -> Cells:
    found: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    for caller in callers.values():
        await caller.ask({"in_flight": 16, "seconds": SECONDS / 2})
    for _ in range(ROUNDS):
        for in_flight in IN_FLIGHT:
            for name, caller in callers.items():
                found[name, in_flight].append(await caller.ask({"in_flight": in_flight, "seconds": SECONDS}))
    return found


def _figures(cells: Cells) -> dict[str, Any]:
    middle = {cell: medians(rounds) for cell, rounds in cells.items()}

    def of(name: str, other: str, in_flight: int, figure: str = "per_second") -> float:
        ours, theirs = ([found[figure] for found in cells[one, in_flight]] for one in (name, other))
        return ratio(ours, theirs)

    def transport(latency: str, throughput: str) -> dict[str, float]:
        return {
            "p50_ms": middle[latency, 1]["p50_ms"],
            "p99_ms": middle[latency, 1]["p99_ms"],
            "per_second_1": middle[latency, 1]["per_second"],
            "per_second_16": middle[throughput, 16]["per_second"],
            "per_second_128": middle[throughput, 128]["per_second"],
            "of_faststream": of(throughput, "faststream", 16),
            "of_faststream_128": of(throughput, "faststream", 128),
        }

    return {
        "pubsub": transport("latency", "throughput"),
        "invocation": transport("invocation", "invocation"),
        "p50_of_raw_pair": of("latency", "raw", 1, "p50_ms"),
        "cells": {f"{name} at {in_flight}": cell for (name, in_flight), cell in middle.items()},
    }


if __name__ == "__main__":
    print(asyncio.run(measure()))
