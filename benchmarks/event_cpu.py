"""CPU per event on the app channel, beside a bare ASGI application and FastAPI with Dapr's ``DaprApp``.

All three run on uvicorn, uvloop and httptools, and are sent the same events by this process: in bulk as daprd sends
raw entries, and one by one. A bulk subscription delivers one batch at a time, so one connection; single deliveries come
over several.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any
from uuid import uuid4

import aiohttp

from benchmarks.models import order
from benchmarks.rig import App, Rig, cpu_seconds, port, require
from benchmarks.rounds import medians, ratio
from pillion.testing.sidecar.broker import FakeBroker
from pillion.testing.sidecar.server import FakeSidecar

ROUNDS = 11
BATCH = 100
BATCHES = 150
ALONE = 2000
CONNECTIONS = 8
TOPIC = "shop.v1.placed"
_ANSWERED = b'"SUCCESS"'


def event(number: int) -> bytes:
    """A CloudEvent as pillion publishes it."""
    attributes = {
        "id": str(uuid4()),
        "source": "/shop/shop.v1",
        "type": TOPIC,
        "specversion": "1.0",
        "time": "2026-01-01T12:00:00.123456Z",
        "datacontenttype": "application/json",
        "correlationid": str(uuid4()),
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "data": order(number).model_dump(),
    }
    return json.dumps(attributes, separators=(",", ":")).encode()


def bulk(events: Sequence[bytes]) -> bytes:
    """A raw bulk delivery, as daprd 1.18 sends it."""
    entries = [
        {
            "entryId": str(uuid4()),
            "event": base64.b64encode(body).decode(),
            "metadata": None,
            "contentType": "application/octet-stream",
        }
        for body in events
    ]
    delivery = {"entries": entries, "id": str(uuid4()), "metadata": {"pubsubName": "pubsub"}, "pubsubname": "pubsub"}
    return json.dumps({**delivery, "topic": TOPIC, "type": "com.dapr.event.sent.bulk"}).encode()


class Sender:
    """Sends deliveries to one path of an application over kept connections.

    Args:
        app: who is measured.
        at: its port.
        path: where it takes the deliveries.
    """

    def __init__(self, app: App, at: int, path: str) -> None:
        self._app = app
        self._at = at
        self._path = path

    async def cpu_us(self, bodies: Sequence[bytes], count: int, events: int, connections: int) -> float:
        """Send so many deliveries of so many events each; microseconds of the application's CPU per event."""
        requests = [self._request(body) for body in bodies]
        await self._send(requests, connections * 4, connections)
        before = cpu_seconds(self._app.pid)
        await self._send(requests, count, connections)
        return (cpu_seconds(self._app.pid) - before) * 1e6 / (count * events)

    def _request(self, body: bytes) -> bytes:
        kind = "application/json" if b'"entries"' in body else "application/cloudevents+json"
        head = f"POST {self._path} HTTP/1.1\r\nhost: 127.0.0.1:{self._at}\r\ncontent-type: {kind}\r\n"
        return f"{head}pubsubname: pubsub\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body

    async def _send(self, requests: Sequence[bytes], count: int, connections: int) -> None:
        bodies = cycle(requests)
        left = iter(range(count))

        async def connection() -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._at, limit=1 << 20)
            for _ in left:
                writer.write(next(bodies))
                await _answer(reader)
            writer.close()

        await asyncio.gather(*(connection() for _ in range(connections)))


async def _answer(reader: asyncio.StreamReader) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
    body = await reader.readexactly(length)
    if not head.startswith(b"http/1.1 200") or _ANSWERED not in body or b"RETRY" in body:
        raise RuntimeError(f"refused: {head!r} {body[:300]!r}")


async def measure() -> dict[str, Any]:
    """Bulk on pillion and bare, events one by one on all three, in turns."""
    require(modules=("dapr", "fastapi"))
    events = [event(number) for number in range(10 * BATCH)]
    batches = [bulk(events[start : start + BATCH]) for start in range(0, len(events), BATCH)]
    alone = [bulk([body]) for body in events]
    async with Rig() as rig:
        ours = await _pillion(rig)
        bare = await _bare(rig, "benchmarks.apps.raw_events", "/bulk")
        dapr_app = await _bare(rig, "benchmarks.apps.dapr_app_events", "/single")
        rounds = [
            {
                "us": await ours.cpu_us(batches, BATCHES, BATCH, 1),
                "raw_us": await bare.cpu_us(batches, BATCHES, BATCH, 1),
                "alone_us": await ours.cpu_us(alone, ALONE, 1, CONNECTIONS),
                "raw_alone_us": await bare.cpu_us(alone, ALONE, 1, CONNECTIONS),
                "dapr_app_us": await dapr_app.cpu_us(events, ALONE, 1, CONNECTIONS),
            }
            for _ in range(ROUNDS)
        ]
    return _figures(rounds)


def _figures(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    def of(ours: str, theirs: str) -> float:
        return ratio([found[ours] for found in rounds], [found[theirs] for found in rounds])

    return {
        "of_raw": of("us", "raw_us"),
        "of_dapr_app": of("us", "dapr_app_us"),
        "alone_of_raw": of("alone_us", "raw_alone_us"),
        "alone_of_dapr_app": of("alone_us", "dapr_app_us"),
        **medians(rounds),
    }


async def _bare(rig: Rig, module: str, path: str) -> Sender:
    at = port()
    app = await rig.app("-m", module, APP_PORT=str(at))
    await app.listening(at)
    return Sender(app, at, path)


async def _pillion(rig: Rig) -> Sender:
    at = port()
    sidecar = FakeSidecar(FakeBroker(), "billing", at)
    await sidecar.start()
    rig.after(sidecar.stop)
    app = await rig.app(
        *("-m", "pillion", "run", "benchmarks.apps.pillion_subscriber:service", "--bridge", "dapr"),
        APP_ID="billing", APP_PORT=str(at), DAPR_HTTP_PORT=str(sidecar.http_port),
    )  # fmt: skip
    await app.listening(at)
    return Sender(app, at, await _path(at))


async def _path(at: int) -> str:
    """Where pillion takes the deliveries of the topic."""
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{at}/dapr/subscribe") as answer:
        declared = await answer.json(content_type=None)
    return next(str(found["route"]) for found in declared if found["topic"] == TOPIC)


if __name__ == "__main__":
    print(asyncio.run(measure()))
