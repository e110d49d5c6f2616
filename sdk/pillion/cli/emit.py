"""``pillion emit``: one event of a service."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from pillion.bridges.dapr.publisher import Publisher
from pillion.cli.address import Address, find_event
from pillion.cli.failure import Refusal
from pillion.cli.inprocess import APP, PROFILE, complete_event, embedded, load_services, until_quiet
from pillion.cli.outside import PRINCIPAL, SIDECAR_PORT, TENANT, message, sidecar
from pillion.cli.payload import read_json, read_payload
from pillion.cli.story import Story
from pillion.errors import Failure
from pillion.pipeline.outbound import Cause
from pillion.ports.bridge import Outgoing
from pillion.service.service import Service
from pillion.telemetry.logs import configure


@click.command(name="emit")
@click.argument("address", metavar="SERVICE[.vN].EVENT", shell_complete=complete_event)
@click.argument("payload", metavar="[JSON|-|@FILE]", default="null")
@APP
@PROFILE
@SIDECAR_PORT
@click.option("--component", default="pubsub", show_default=True, help="Without --app: Dapr's pub/sub component.")
@TENANT
@PRINCIPAL
@click.pass_context
def command(context: click.Context, /, address: str, payload: str, apps: tuple[str, ...], **options: Any) -> None:
    """Emit an event of a service, as if that service had.

    With --app the services that react to it run in this process; all they do is done before this ends, and shown.
    Otherwise the event is published through a running sidecar; without a version it is version 1. Exit codes: 0
    emitted, 1 a subscription could not handle it or it is not valid, 2 wrong usage or nobody to publish through.

    \b
    Examples:
      pillion emit greeter.greeted '{"name": "Ada"}' --app hello:greeter
      pillion emit orders.v2.placed @order.json --app services.notifications.service:service --tenant acme
      pillion emit orders.placed @order.json --sidecar-port 3500
    """  # noqa: D301 - click's mark: keep these lines
    configure(level="warning")
    work = _embedded(address, payload, load_services(apps), **options) if apps else _beside(address, payload, **options)
    context.exit(asyncio.run(work))


async def _embedded(
    address: str,
    payload: str,
    services: list[Service[Any, Any]],
    *,
    profile: Path | None,
    tenant: str | None,
    principal: str | None,
    **_: Any,
) -> int:
    event = find_event(address, services)
    body = read_payload(payload) if event.payload.binary else read_json(payload)
    story = Story(services)
    async with embedded(services, profile, watch=story.tell) as host:
        try:
            data = event.payload.read(body)
        except Failure as failure:
            click.echo(Refusal.of(failure).text(event.address), err=True)
            return 1
        await host.emit(event, data, cause=Cause(tenant_id=tenant, principal_id=principal))
        await until_quiet(host)
    click.echo("\n".join(story.lines()))
    return 1 if story.letters else 0


async def _beside(
    address: str,
    payload: str,
    *,
    sidecar_port: int | None,
    component: str,
    tenant: str | None,
    principal: str | None,
    **_: Any,
) -> int:
    topic = Address.parse(address).full
    event = message(topic, read_json(payload), tenant=tenant, principal=principal)
    async with sidecar(sidecar_port) as channel:
        await Publisher(channel).publish([Outgoing(topic, event, component)])
    click.echo(f"published {topic} on {component}, id {event.id}")
    return 0
