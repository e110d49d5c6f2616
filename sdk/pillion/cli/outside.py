"""A running sidecar, seen from the command line."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import uuid4

import click
from msgspec import Raw

from pillion.errors import ConfigurationError
from pillion.message import Message
from pillion.sidecar.channel import SidecarChannel
from pillion.sidecar.settings import SidecarSettings, present

SIDECAR_PORT = click.option(
    "--sidecar-port",
    type=click.IntRange(1, 65535),
    help="Without --app: HTTP port of a sidecar. Default: DAPR_HTTP_PORT.",
)
TENANT = click.option("--tenant", help="On whose data the work is done.")
PRINCIPAL = click.option("--principal", help="Who asks.")


@asynccontextmanager
async def sidecar(port: int | None) -> AsyncIterator[SidecarChannel]:
    """A channel to the sidecar on this port of 127.0.0.1, or else to the one that the environment names.

    Raises:
        ConfigurationError: neither says where one is.
    """
    channel = SidecarChannel(_settings(port))
    await channel.start()
    try:
        yield channel
    finally:
        await channel.close()


def message(
    address: str, body: bytes, *, tenant: str | None, principal: str | None, deadline: datetime | None = None
) -> Message:
    """A message of ours from outside any service, around a JSON payload."""
    new_id = uuid4().hex
    return Message(
        id=new_id,
        source="/pillion-cli",
        type=address,
        specversion="1.0",
        time=datetime.now(UTC),
        datacontenttype="application/json",
        correlation_id=new_id,
        tenant_id=tenant,
        principal_id=principal,
        deadline=deadline,
        data=Raw(body),
    )


def _settings(port: int | None) -> SidecarSettings:
    if port is None and not present(os.environ):
        raise ConfigurationError(
            "neither --app nor a sidecar is given; name what to run in process with --app MODULE:ATTR, or a running "
            "sidecar's port with --sidecar-port or DAPR_HTTP_PORT (`pillion dev` shows the ports)"
        )
    if port is None:
        return SidecarSettings.from_environment(os.environ)
    others = {name: value for name, value in os.environ.items() if name != "DAPR_HTTP_ENDPOINT"}
    return SidecarSettings.from_environment({**others, "DAPR_HTTP_PORT": str(port)})
