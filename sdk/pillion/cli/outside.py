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
from pillion.sidecar.ports import is_listening
from pillion.sidecar.settings import DEFAULT_HTTP_PORT, SidecarSettings, present

SIDECAR_PORT = click.option(
    "--sidecar-port",
    type=click.IntRange(1, 65535),
    help="Without --app: HTTP port of a sidecar. Default: DAPR_HTTP_PORT, else 3500, as Dapr's.",
)
TENANT = click.option("--tenant", help="On whose data the work is done.")
PRINCIPAL = click.option("--principal", help="Who asks.")


_WHERE = (
    "neither --app nor a sidecar is given; name what to run in process with --app MODULE:ATTR, or a running sidecar's "
    "port with --sidecar-port or DAPR_HTTP_PORT (`pillion dev` shows the ports)"
)


@asynccontextmanager
async def sidecar(port: int | None, where: str = _WHERE) -> AsyncIterator[SidecarChannel]:
    """A channel to the sidecar on this port of 127.0.0.1, or to the one that the environment names.

    When nobody says where one is, it is looked for at Dapr's default port.

    Args:
        port: None when nobody has named one.
        where: what to say when there is none.

    Raises:
        ConfigurationError: nobody says where one is, and none answers there.
    """
    channel = SidecarChannel(_settings(port, where))
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


def _settings(port: int | None, where: str) -> SidecarSettings:
    if port is None and present(os.environ):
        return SidecarSettings.from_environment(os.environ)
    if port is None:
        port = _default_port(where)
    others = {name: value for name, value in os.environ.items() if name != "DAPR_HTTP_ENDPOINT"}
    return SidecarSettings.from_environment({**others, "DAPR_HTTP_PORT": str(port)})


def _default_port(where: str) -> int:
    if not is_listening(DEFAULT_HTTP_PORT):
        raise ConfigurationError(f"{where}; none answers on {DEFAULT_HTTP_PORT}, Dapr's default port")
    return DEFAULT_HTTP_PORT
