"""``pillion call``: one command of a service, and its answer as JSON."""

from __future__ import annotations

import asyncio
import sys
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from pillion.bridges.dapr.invocation import Invoker
from pillion.cli.address import Address, find_command
from pillion.cli.failure import Refusal
from pillion.cli.inprocess import APP, PROFILE, complete_command, embedded, load_services
from pillion.cli.outside import PRINCIPAL, SIDECAR_PORT, TENANT, message, sidecar
from pillion.cli.payload import pretty, read_json, read_payload
from pillion.errors import Failure
from pillion.message import Message
from pillion.pipeline.outbound import Cause
from pillion.ports.clock import SystemClock
from pillion.resilience.claims import CLAIMS, Claims
from pillion.service.service import Service
from pillion.sidecar.channel import SidecarChannel
from pillion.stores.dapr import DaprStateStore
from pillion.telemetry.logs import configure

_SECONDS = 30.0


@click.command(name="call")
@click.argument("address", metavar="SERVICE[.vN].COMMAND", shell_complete=complete_command)
@click.argument("payload", metavar="[JSON|-|@FILE]", default="null")
@APP
@PROFILE
@SIDECAR_PORT
@click.option("--app-id", help="Without --app: the service's Dapr app id. Default: its name.")
@click.option("--timeout", type=click.FloatRange(0, min_open=True), metavar="SECONDS", help="How long to wait.")
@TENANT
@PRINCIPAL
@click.pass_context
def command(context: click.Context, /, address: str, payload: str, apps: tuple[str, ...], **options: Any) -> None:
    """Call a command of a service and print its answer as JSON.

    With --app the service runs in this process, for this one call, and its own contract checks the payload; without a
    version it is the highest. Otherwise the call goes through a running sidecar to a running service; without a
    version it is version 1. Exit codes: 0 answered, 1 the command failed or its service was not reached, 2 wrong usage,
    or no sidecar.

    \b
    Examples:
      pillion call greeter.hello '{"name": "Ada"}' --app hello:greeter
      pillion call orders.v2.place @order.json --sidecar-port 3500 --tenant acme
      echo '"42"' | pillion call orders.find - --app orders:service --app payments:service
    """  # noqa: D301 - click's mark: keep these lines
    configure(level="warning")
    wanted = Address.parse(address)
    work = _embedded(wanted, payload, load_services(apps), **options) if apps else _beside(wanted, payload, **options)
    context.exit(asyncio.run(work))


async def _embedded(
    address: Address,
    payload: str,
    services: list[Service[Any, Any]],
    *,
    profile: Path | None,
    timeout: float | None,
    tenant: str | None,
    principal: str | None,
    **_: Any,
) -> int:
    wanted = find_command(address, services)
    body = read_payload(payload) if wanted.input.binary else read_json(payload)
    cause = Cause(tenant_id=tenant, principal_id=principal)
    async with embedded(services, profile) as host:
        try:
            answer = await host.call(wanted, wanted.input.read(body), timeout=timeout, cause=cause)
        except Failure as failure:
            click.echo(Refusal.of(failure).text(wanted.address), err=True)
            return 1
    _show(wanted.output.encode(answer), is_json=not wanted.output.binary)
    return 0


async def _beside(
    address: Address,
    payload: str,
    *,
    sidecar_port: int | None,
    app_id: str | None,
    timeout: float | None,
    tenant: str | None,
    principal: str | None,
    **_: Any,
) -> int:
    deadline = datetime.now(UTC) + timedelta(seconds=timeout or _SECONDS)
    request = message(address.full, read_json(payload), tenant=tenant, principal=principal, deadline=deadline)
    async with sidecar(sidecar_port) as channel:
        try:
            # A person waits: an app that is not there is told at once.
            invoker = Invoker(channel, SystemClock(), {address.service: app_id or address.service}, patient=False)
            reply = await invoker.request(request)
            if reply.claim is not None:
                reply = await _claims(channel).fetch(reply)
        except Failure as failure:
            click.echo(Refusal.of(failure).text(address.full), err=True)
            return 1
    return _finish(address, reply)


def _claims(channel: SidecarChannel) -> Claims:
    claims = Claims()
    claims.open(DaprStateStore(channel, CLAIMS))
    return claims


def _finish(address: Address, reply: Message) -> int:
    if reply.failure_code is not None:
        click.echo(Refusal.in_reply(reply).text(address.full), err=True)
        return 1
    is_json = reply.data_base64 is None
    _show(reply.json or b"null" if is_json else b64decode(reply.data_base64 or ""), is_json=is_json)
    return 0


def _show(answer: bytes, *, is_json: bool) -> None:
    """JSON with a line end, indented on a terminal; bytes as they are."""
    if is_json:
        answer = (pretty(answer) if sys.stdout.isatty() else answer) + b"\n"
    sys.stdout.buffer.write(answer)
    sys.stdout.flush()
