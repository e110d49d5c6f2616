"""Takes bulk deliveries of raw events as bare ASGI, with the fastest libraries: the least that validating can cost."""

from __future__ import annotations

import os
from typing import Any

import msgspec
import uvloop
from msgspec import Raw, Struct
from pydantic import TypeAdapter

from benchmarks.apps.asgi import Receive, Send, answer, body_of, server
from benchmarks.load import Tally
from benchmarks.models import Order


class Entry(Struct, rename="camel"):
    entry_id: str
    event: bytes


class Delivery(Struct):
    entries: list[Entry]


class Event(Struct):
    """What it needs of the CloudEvent."""

    id: str
    source: str
    type: str
    data: Raw


class Subscriber:
    def __init__(self) -> None:
        self._delivery = msgspec.json.Decoder(Delivery).decode
        self._event = msgspec.json.Decoder(Event).decode
        self._order = TypeAdapter(Order).validator.validate_json
        self._tally = Tally()

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        statuses = []
        for entry in self._delivery(await body_of(receive)).entries:
            await self._handle(self._order(bytes(self._event(entry.event).data)))
            statuses.append({"entryId": entry.entry_id, "status": "SUCCESS"})
        await answer(send, {"statuses": statuses})

    async def _handle(self, _: Order) -> None:
        self._tally.add()


if __name__ == "__main__":
    uvloop.run(server(Subscriber(), int(os.environ["APP_PORT"])).serve())
