"""Settings of a host: how this process runs its services, whatever the services are."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field


class HostSettings(BaseModel, frozen=True):
    """How one process runs. Read from ``PILLION_…`` variables by ``pillion run``.

    Attributes:
        app: name of this process in messages and logs, also the Dapr app id. Default: the service's name if there is
            one service, else ``app``.
        bridge: ``memory``, ``dapr``, or None: dapr when a sidecar's environment is present.
        profile: folder of Dapr component YAML; None runs embedded with memory stores.
        host: address the app channel and health listen on. Default loopback.
        port: port of the app channel and health; None takes ``APP_PORT``, else serves nothing when embedded. 0 is any.
        commands: how calls travel beside a sidecar: ``pubsub`` (the callee may be down, late or scaled out) or
            ``invocation`` (lowest latency).
        command_delivery: ``single`` for low latency or ``bulk`` for throughput, beside a sidecar.
        apps: Dapr app id by service name, where they differ; used by ``invocation``.
        drain_seconds: how long to finish what is in hand at stop. Default 25.
        threads: how many handlers that are not ``async`` run at once. Default 16.
        config_file: YAML or JSON file with a section for each service; environment variables win over it.
        queue_capacity: messages that may wait in front of one handler in the memory bridge. Default 1000.
        max_body_bytes: larger bodies are refused by the app channel. Default 4 MiB, as Dapr's.
    """

    app: str = ""
    bridge: Literal["memory", "dapr"] | None = None
    profile: Path | None = None
    host: str = "127.0.0.1"
    port: int | None = Field(default=None, ge=0, le=65535)
    commands: Literal["pubsub", "invocation"] = "pubsub"
    command_delivery: Literal["single", "bulk"] = "single"
    apps: dict[str, str] = {}
    drain_seconds: float = Field(default=25.0, ge=0)
    threads: int = Field(default=16, ge=1)
    config_file: Path | None = None
    queue_capacity: int = Field(default=1000, ge=1)
    max_body_bytes: int = Field(default=4 * 1024 * 1024, ge=1)
