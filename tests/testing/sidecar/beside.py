"""A small application beside a fake sidecar, and how tests talk to both."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from pillion.sidecar.ports import free_port
from pillion.testing.sidecar import FakeBroker, FakeSidecar

EVENT = {"specversion": "1.0", "id": "e1", "source": "shop", "type": "t", "tenantid": "a", "data": {"n": 2**70}}
CLOUD_EVENT = {"Content-Type": "application/cloudevents+json"}
TRACE = "00-11111111111111111111111111111111-2222222222222222-01"


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class App:
    """A small application that notes what it gets; ``answer`` decides on (status, body)."""

    subscriptions: list[dict[str, Any]] = field(default_factory=list)
    answer: Callable[[Request], tuple[int, bytes]] = lambda request: (200, succeed(request))
    port: int = field(default_factory=free_port)
    got: list[Request] = field(default_factory=list)
    called: asyncio.Event = field(default_factory=asyncio.Event)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.may_answer.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[App]:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self.handle)
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        try:
            yield self
        finally:
            await runner.cleanup()

    async def handle(self, request: web.Request) -> web.Response:
        if request.path == "/dapr/subscribe":
            return web.json_response(self.subscriptions)
        if request.path == "/dapr/config":
            return web.json_response({})
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.got.append(Request(request.path_qs, headers, await request.read()))
        self.called.set()
        status, body = self.answer(self.got[-1])
        await self.may_answer.wait()
        return web.Response(status=status, body=body, headers={"x-mine": "yes"})


def succeed(request: Request) -> bytes:
    return statuses(request, "SUCCESS") if b'"entries"' in request.body else b'{"status": "SUCCESS"}'


def statuses(request: Request, status: str) -> bytes:
    return json.dumps(
        {"statuses": [{"entryId": e["entryId"], "status": status} for e in request.json["entries"]]}
    ).encode()


def single(topic: str = "T", **more: Any) -> dict[str, Any]:
    return {"pubsubname": "pubsub", "topic": topic, "route": "/single", **more}


def bulk(topic: str = "T", **more: Any) -> dict[str, Any]:
    collect = {"enabled": True, "maxMessagesCount": 100, "maxAwaitDurationMs": 1}
    return {"pubsubname": "pubsub", "topic": topic, "bulkSubscribe": collect, **({"route": "/bulk"} | more)}


RAW: dict[str, Any] = {"metadata": {"rawPayload": "true"}}


@asynccontextmanager
async def serving(app: App, broker: FakeBroker | None = None, **options: Any) -> AsyncIterator[FakeSidecar]:
    async with app.running(), FakeSidecar(broker or FakeBroker(), "shop", app.port, **options) as sidecar:
        await sidecar.wait_ready()
        yield sidecar


async def call(sidecar: FakeSidecar, method: str, path: str, **options: Any) -> tuple[int, bytes, dict[str, str]]:
    async with aiohttp.ClientSession(sidecar.endpoint) as session, session.request(method, path, **options) as answer:
        return answer.status, await answer.read(), dict(answer.headers)


async def publish(sidecar: FakeSidecar, path: str, body: Any, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await call(sidecar, "POST", f"/v1.0/publish/{path}", data=data, headers=headers)
