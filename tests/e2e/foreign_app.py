"""An application that knows nothing of pillion, only Dapr's own Python SDK: hears shouts and publishes echoes."""

from __future__ import annotations

import json
import os
from typing import Any

import uvicorn
from dapr.clients import DaprClient
from dapr.ext.fastapi import DaprApp
from fastapi import Body, FastAPI

app = FastAPI()
dapr_app = DaprApp(app)


@dapr_app.subscribe(pubsub="pubsub", topic=os.environ["SHOUTS"])  # type: ignore[untyped-decorator]
def hear(event: dict[str, Any] = Body()) -> None:  # noqa: B008 - FastAPI's way
    """Answer a CloudEvent with an event in Dapr's default envelope."""
    echo = {"text": event["data"]["text"].upper(), "heard_tenant": event.get("tenantid")}
    with DaprClient() as client:
        client.publish_event("pubsub", os.environ["ECHOES"], json.dumps(echo), data_content_type="application/json")


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["APP_PORT"]), log_level="warning")
