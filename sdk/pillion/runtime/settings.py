"""Settings of a host: how this process runs its services, whatever the services are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, SecretStr

from pillion.pipeline.facilities import LONGEST_WAIT

_WEEK = 7 * 24 * 3600.0


class HostSettings(BaseModel, frozen=True):
    """How one process runs. Read from ``PILLION_…`` variables by ``pillion run``.

    Attributes:
        app: name of this process in messages and logs, also the Dapr app id. Default: the service's name if there is
            one service, else ``app``.
        bridge: ``memory``, ``dapr``, or None: dapr when a sidecar's environment is present.
        instance: names this process among those of the app; the same after a restart in its place, so that what it left
            unfinished is taken up at once. Default: host name and port, or the boot alone where there is no port.
        profile: folder of Dapr component YAML, or several joined by ``os.pathsep``; None runs embedded with memory
            stores. Beside a sidecar: what it has loaded, to check its settings.
        host: address the app channel and health listen on. Default loopback.
        port: port of the app channel and health; None takes ``APP_PORT``, else serves nothing when embedded. 0 is any.
        commands: how calls travel beside a sidecar: ``pubsub`` (the callee may be down, late or scaled out) or
            ``invocation`` (lowest latency).
        command_delivery: ``single`` for low latency or ``bulk`` for throughput, beside a sidecar.
        apps: Dapr app id by service name, where they differ; used by ``invocation``.
        delivery_check: what to do beside a sidecar whose settings can lose messages, or cannot be checked: ``refuse``
            to start, ``warn`` or ``off``. None refuses what the ``profile`` shows, and warns when none is named.
        longest_wait: seconds after which no further attempt of a message that failed is begun in the process; one that
            has to wait longer is parked in the service's state store. Default 20; a sidecar gives up at 60. Beside one
            a service with a state store waits no longer than the bridge's ``longest_hold``, a second.
        drain_seconds: how long to finish what is in hand at stop. Default 25.
        linger: when that is done, still answer the sidecar until it is gone, for whoever stops the sidecar then, as
            ``pillion dev`` does. Default False.
        threads: how many executions of one handler that is not ``async`` run at once, at most; each such handler has
            threads of its own, so that a slow one holds up no other. Default 16.
        config_file: YAML or JSON file with a section for each service; environment variables win over it.
        queue_capacity: messages that may wait in front of one handler in the memory bridge. Default 1000.
        mqtt_url: broker of an MQTT profile, ``tcp://user:password@host:1883``, as the sidecar's component has it. None
            asks the sidecar's secret store for ``mqtt-url``.
        nats_url: server of a NATS profile, ``nats://user:password@host:4222``. None asks for the secret ``nats-url``.
        max_body_bytes: larger messages, and requests to a gateway, are refused. Default 4 MiB, as Dapr's.
        claim_check_bytes: payloads with more bytes, as JSON or base64, do not travel with their message: they are left
            in the state component ``claims``, and fetched by whoever takes the message. None, the default, leaves none;
            payloads of others are fetched all the same.
        claim_check_ttl: seconds for which such a payload is kept. Default 7 days.
    """

    app: str = ""
    bridge: Literal["memory", "dapr"] | None = None
    instance: str = ""
    profile: Path | None = None
    host: str = "127.0.0.1"
    port: int | None = Field(default=None, ge=0, le=65535)
    commands: Literal["pubsub", "invocation"] = "pubsub"
    command_delivery: Literal["single", "bulk"] = "single"
    apps: dict[str, str] = {}
    delivery_check: Literal["refuse", "warn", "off"] | None = None
    longest_wait: float = Field(default=LONGEST_WAIT, ge=0, le=50)
    drain_seconds: float = Field(default=25.0, ge=0)
    linger: bool = False
    threads: int = Field(default=16, ge=1)
    config_file: Path | None = None
    queue_capacity: int = Field(default=1000, ge=1)
    mqtt_url: SecretStr | None = None
    nats_url: SecretStr | None = None
    max_body_bytes: int = Field(default=4 * 1024 * 1024, ge=1)
    claim_check_bytes: int | None = Field(default=None, ge=1)
    claim_check_ttl: float = Field(default=_WEEK, gt=0)

    @property
    def folders(self) -> tuple[Path, ...]:
        """Those that ``profile`` names."""
        return tuple(Path(name) for name in str(self.profile or "").split(os.pathsep) if name)
