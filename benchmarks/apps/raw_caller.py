"""Asks for quotes beside daprd as bare ASGI: one publish per request, single deliveries of the replies."""

from __future__ import annotations

import asyncio
import json
import os
from itertools import count
from typing import Any

import aiohttp
import uvloop

from benchmarks.apps.asgi import Receive, Send, answer, body_of, server
from benchmarks.load import holding
from benchmarks.models import Quote, order

SUBSCRIPTIONS = [{"pubsubname": "replies", "topic": "raw.replies", "route": "/replies"}]


class Caller:
    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._numbers = count()
        self._waiting: dict[int, asyncio.Future[Quote]] = {}

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["path"] == "/dapr/subscribe":
            await answer(send, SUBSCRIPTIONS)
            return
        body = await body_of(receive)
        if scope["path"] == "/replies":
            reply = json.loads(body)["data"]
            self._waiting.pop(reply["id"]).set_result(Quote.model_validate(reply["quote"]))
        await answer(send, {"status": "SUCCESS"})

    async def call(self) -> Quote:
        number = next(self._numbers)
        reply: asyncio.Future[Quote] = asyncio.get_running_loop().create_future()
        self._waiting[number] = reply
        request = {"id": number, "order": order().model_dump()}
        async with self._session.post("/v1.0/publish/pubsub/raw.requests", json=request) as response:
            response.raise_for_status()
        return await asyncio.wait_for(reply, 10)


async def main() -> None:
    async with aiohttp.ClientSession(f"http://127.0.0.1:{os.environ['DAPR_HTTP_PORT']}") as session:
        caller = Caller(session)
        serving = asyncio.create_task(server(caller, int(os.environ["APP_PORT"])).serve())
        await holding(caller.call)
        serving.cancel()


if __name__ == "__main__":
    uvloop.run(main())
