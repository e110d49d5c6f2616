"""Services in this process, for one question from the command line."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import click

from pillion.bridges.memory.bridge import MemoryBridge
from pillion.cli.address import known_commands, known_events
from pillion.cli.target import load_targets
from pillion.errors import ConfigurationError, PillionError
from pillion.message import Message
from pillion.runtime.assembly import assemble
from pillion.runtime.environment import host_settings
from pillion.runtime.host import Host
from pillion.service.service import Service

APP = click.option(
    "--app", "apps", metavar="MODULE:ATTR", multiple=True, help="Run this service in process; may be repeated."
)
PROFILE = click.option(
    "--profile", type=click.Path(path_type=Path), metavar="DIR", help="With --app: folder of Dapr component YAML."
)


def load_services(apps: Sequence[str]) -> list[Service[Any, Any]]:
    """The services that these name.

    Raises:
        ConfigurationError: one is not there, or none is a service.
    """
    services = load_targets(apps).services
    if not services:
        raise ConfigurationError(f"{', '.join(apps)}: no service among these; name at least one with --app")
    return services


@asynccontextmanager
async def embedded(
    services: list[Service[Any, Any]], profile: Path | None, watch: Callable[[str, Message], None] | None = None
) -> AsyncIterator[Host]:
    """A running embedded host without a port.

    Args:
        services: what it runs.
        profile: folder of Dapr component YAML; None keeps state in memory.
        watch: called with the topic and each message.

    Raises:
        ConfigurationError: it could not start.
    """
    settings = host_settings(bridge="memory", profile=profile).model_copy(update={"port": None})
    host = assemble(services, settings, os.environ, watch=watch)
    await _start(host)
    try:
        yield host
    finally:
        await host.stop()


async def _start(host: Host) -> None:
    try:
        await host.start()
    except PillionError:
        raise
    except Exception as error:
        raise ConfigurationError(
            f"{host.app} could not start: {type(error).__name__}: {error}; `pillion run` shows the traceback"
        ) from error


async def until_quiet(host: Host) -> None:
    """Wait until no message is queued or being handled."""
    if isinstance(host.bridge, MemoryBridge):
        await host.bridge.broker.quiet()


def complete_command(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """For the shell: commands of the services that ``--app``, earlier in the line, names."""
    return [address for address in _offered(context, known_commands) if address.startswith(incomplete)]


def complete_event(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """The same for events."""
    return [address for address in _offered(context, known_events) if address.startswith(incomplete)]


def _offered(context: click.Context, known: Callable[[list[Service[Any, Any]]], Mapping[str, Any]]) -> list[str]:
    try:
        return list(known(load_targets(context.params.get("apps") or ()).services))
    except Exception:  # noqa: BLE001 - a half-written line or module: nothing to offer, and no noise in the shell
        return []
