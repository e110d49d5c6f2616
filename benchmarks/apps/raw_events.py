"""Takes bulk and single deliveries of raw events as bare ASGI: the least that a validating subscriber can do."""

from __future__ import annotations

import base64
import json
import os
from typing import Any

import uvloop
from pydantic import BaseModel

from benchmarks.apps.asgi import Receive, Send, answer, body_of, server
from benchmarks.models import Order, quote


class Event(BaseModel):
    """What it needs of the CloudEvent."""

    id: str
    source: str
    type: str
    data: Order


async def handle(placed: Order) -> None:
    quote(placed)


async def application(scope: Any, receive: Receive, send: Send) -> None:
    delivery = json.loads(await body_of(receive))
    if scope["path"] == "/single":
        await handle(Event.model_validate_json(base64.b64decode(delivery["data_base64"])).data)
        await answer(send, {"status": "SUCCESS"})
        return
    statuses = []
    for entry in delivery["entries"]:
        event = Event.model_validate_json(base64.b64decode(entry["event"]))
        await handle(event.data)
        statuses.append({"entryId": entry["entryId"], "status": "SUCCESS"})
    await answer(send, {"statuses": statuses})


if __name__ == "__main__":
    uvloop.run(server(application, int(os.environ["APP_PORT"])).serve())
