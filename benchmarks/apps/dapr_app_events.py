"""Takes deliveries with FastAPI and the ``DaprApp`` of Dapr's own SDK; it has no bulk delivery."""

from __future__ import annotations

import os

import uvloop
from dapr.ext.fastapi import DaprApp
from fastapi import FastAPI
from pydantic import BaseModel

from benchmarks.apps.asgi import server
from benchmarks.load import Tally
from benchmarks.models import Order

tally = Tally()
app = FastAPI()
dapr_app = DaprApp(app)


class Event(BaseModel):
    """What it needs of the CloudEvent."""

    id: str
    source: str
    type: str
    data: Order


@dapr_app.subscribe(pubsub="pubsub", topic="orders", route="/single")  # type: ignore[untyped-decorator]
async def handle(_: Event) -> dict[str, str]:
    tally.add()
    return {"status": "SUCCESS"}


if __name__ == "__main__":
    uvloop.run(server(app, int(os.environ["APP_PORT"])).serve())
