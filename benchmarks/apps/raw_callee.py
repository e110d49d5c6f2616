"""Answers quotes beside daprd as bare ASGI: single deliveries, one publish per reply."""

from __future__ import annotations

import json
import os
from typing import Any

import aiohttp
import uvloop

from benchmarks.apps.asgi import Receive, Send, answer, body_of, server
from benchmarks.models import Order, quote

SUBSCRIPTIONS = [{"pubsubname": "pubsub", "topic": "raw.requests", "route": "/requests"}]


class Callee:
    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["path"] == "/dapr/subscribe":
            await answer(send, SUBSCRIPTIONS)
            return
        body = await body_of(receive)
        if scope["path"] == "/requests":
            await self._reply(json.loads(body)["data"])
        await answer(send, {"status": "SUCCESS"})

    async def _reply(self, request: Any) -> None:
        quoted = quote(Order.model_validate(request["order"]))
        reply = {"id": request["id"], "quote": quoted.model_dump()}
        async with self._session.post("/v1.0/publish/replies/raw.replies", json=reply) as response:
            response.raise_for_status()


async def main() -> None:
    async with aiohttp.ClientSession(f"http://127.0.0.1:{os.environ['DAPR_HTTP_PORT']}") as session:
        await server(Callee(session), int(os.environ["APP_PORT"])).serve()


if __name__ == "__main__":
    uvloop.run(main())
