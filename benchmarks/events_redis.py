"""Events published and handled over Redis through real daprds, beside FastStream's streams without a sidecar."""

from __future__ import annotations

import asyncio
import statistics
from typing import Any

from benchmarks.rig import App, Rig, port, require, sidecar_environment
from benchmarks.rounds import ratio

ROUNDS = 3
# Events of a round: about two seconds of work for each side.
PILLION_EVENTS = 20_000
FASTSTREAM_EVENTS = 5_000
WARM_UP = 500
# How many publishes each side has under way at once; measured to be near the best of each.
PILLION_IN_FLIGHT = 400
FASTSTREAM_IN_FLIGHT = 32


class Pair:
    """A publisher and a subscriber.

    Args:
        publisher, subscriber: the programs.
        in_flight: publishes under way at once.
    """

    def __init__(self, publisher: App, subscriber: App, in_flight: int) -> None:
        self._publisher = publisher
        self._subscriber = subscriber
        self._in_flight = in_flight
        self._sent = 0

    async def per_second(self, count: int) -> float:
        """Publish so many; the rate from the first publish to the last handling."""
        self._sent += count
        handled = asyncio.create_task(self._subscriber.ask({"until": self._sent}))
        published = await self._publisher.ask({"count": count, "in_flight": self._in_flight})
        return float(count / ((await handled)["at"] - published["begun"]))


async def measure() -> dict[str, Any]:
    """Both pairs in turns."""
    require(daprd=True, redis=True, modules=("faststream",))
    async with Rig() as rig:
        await rig.redis()
        faststream, pillion = await _faststream(rig), await _pillion(rig)
        for pair in (faststream, pillion):
            await pair.per_second(WARM_UP)
        rates = [
            (await pillion.per_second(PILLION_EVENTS), await faststream.per_second(FASTSTREAM_EVENTS))
            for _ in range(ROUNDS)
        ]
    ours, theirs = zip(*rates, strict=True)
    return {
        "per_second": statistics.median(ours),
        "of_faststream": ratio(ours, theirs),
        "faststream_per_second": statistics.median(theirs),
    }


async def _faststream(rig: Rig) -> Pair:
    subscriber = await rig.app("-m", "benchmarks.apps.faststream_subscriber", REDIS_URL=rig.redis_url)
    publisher = await rig.app("-m", "benchmarks.apps.faststream_publisher", REDIS_URL=rig.redis_url)
    await subscriber.ask({})
    return Pair(publisher, subscriber, FASTSTREAM_IN_FLIGHT)


async def _pillion(rig: Rig) -> Pair:
    subscriber = await _beside_sidecar(
        rig, "billing", "-m", "pillion", "run", "benchmarks.apps.pillion_subscriber:service", "--bridge", "dapr"
    )
    publisher = await _beside_sidecar(rig, "shop", "-m", "benchmarks.apps.pillion_publisher")
    return Pair(publisher, subscriber, PILLION_IN_FLIGHT)


async def _beside_sidecar(rig: Rig, app_id: str, *argv: str) -> App:
    options = rig.options(app_id, port())
    app = await rig.app(*argv, PILLION_PROFILE=str(rig.profile), **sidecar_environment(options))
    sidecar = await rig.sidecar(options)
    await app.listening(options.app_port or 0)
    await sidecar.wait_serving()
    return app


if __name__ == "__main__":
    print(asyncio.run(measure()))
