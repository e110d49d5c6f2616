"""What the doctor looks at outside of a profile: Python, packages, sidecar, ports, tokens."""

from __future__ import annotations

import asyncio
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version

from pillion.cli.finding import Finding
from pillion.errors import ConfigurationError, PillionError
from pillion.sidecar.channel import SidecarChannel
from pillion.sidecar.conflicts import find_conflict
from pillion.sidecar.health import SidecarMetadata, metadata
from pillion.sidecar.ports import is_listening
from pillion.sidecar.process import find_daprd
from pillion.sidecar.settings import SidecarSettings, present

_OLDEST_PYTHON = (3, 11)
_OLDEST_DAPRD = (1, 17)

Check = Callable[[Mapping[str, str]], Finding]


def python(_: Mapping[str, str]) -> Finding:
    """Is this Python new enough?"""
    new_enough = sys.version_info >= _OLDEST_PYTHON
    return Finding("python", platform.python_version(), "" if new_enough else "use Python 3.11 or newer")


def packages(_: Mapping[str, str]) -> Finding:
    """Which versions of pillion and pydantic are these?"""
    try:
        return Finding("packages", ", ".join(f"{name} {version(name)}" for name in ("pillion", "pydantic")))
    except PackageNotFoundError as error:
        return Finding("packages", f"{error.name} is not installed", "install it: `pip install pillion`")


def extensions(_: Mapping[str, str]) -> Finding:
    """Do Dapr's Python packages overwrite each other?"""
    conflict, _separator, remedy = (find_conflict() or "").partition("; repair: ")
    return Finding("dapr packages", conflict or "no conflict", remedy)


def daprd(environ: Mapping[str, str]) -> Finding:
    """Is there a daprd, and is it new enough?"""
    try:
        binary = find_daprd(environ)
    except ConfigurationError as error:
        text, _separator, remedy = str(error).partition("; ")
        return Finding("daprd", text, f"{remedy} (not needed without a sidecar)")
    found = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    name = found.stdout.strip() or "unknown"
    numbers = tuple(int(part) for part in name.split(".")[:2] if part.isdigit())
    is_old = bool(numbers) and numbers < _OLDEST_DAPRD
    return Finding("daprd", f"{name} ({binary})", "use 1.17 or newer: `make dapr`" if is_old else "")


def loaded(environ: Mapping[str, str]) -> SidecarMetadata | None:
    """What the sidecar has loaded; None when there is none or it does not answer, which ``sidecar`` tells."""
    try:
        return asyncio.run(_ask(SidecarSettings.from_environment(environ))) if present(environ) else None
    except PillionError:
        return None


def sidecar(environ: Mapping[str, str]) -> Finding:
    """Does the sidecar answer, and what has it loaded?"""
    if not present(environ):
        return Finding("sidecar", "none named by the environment (DAPR_HTTP_PORT), services run embedded")
    try:
        settings = SidecarSettings.from_environment(environ)
        report = asyncio.run(_ask(settings))
    except PillionError as error:
        return Finding("sidecar", str(error), "start it (`pillion dev`, `dapr run`), or unset DAPR_HTTP_PORT")
    components = ", ".join(f"{item.name} ({item.type})" for item in report.components) or "none"
    topics = ", ".join(item.topic for item in report.subscriptions) or "none"
    text = (
        f"{report.id} {report.runtime_version} on {settings.http_address}; components: {components}; topics: {topics}"
    )
    return Finding("sidecar", text)


def tokens(environ: Mapping[str, str]) -> Finding:
    """Which tokens are set? Their values are never shown."""
    names = ("DAPR_API_TOKEN", "APP_API_TOKEN")
    return Finding("tokens", ", ".join(f"{name} is {'set' if environ.get(name) else 'not set'}" for name in names))


def app_port(environ: Mapping[str, str]) -> Finding:
    """Can the application listen, or does it already, where the sidecar looks for it?"""
    try:
        port = SidecarSettings.from_environment(environ).app_port
    except ConfigurationError as error:
        return Finding("app port", str(error), "correct the variable")
    if port is None:
        return Finding("app port", "APP_PORT is not set")
    if not is_listening(port):
        return Finding("app port", f"{port} is free")
    if present(environ):
        return Finding("app port", f"{port} is in use, by the running app as it seems")
    return Finding("app port", f"{port} is in use", "stop what listens there, or choose another APP_PORT")


CHECKS: tuple[Check, ...] = (python, packages, extensions, daprd, sidecar, tokens, app_port)


async def _ask(settings: SidecarSettings) -> SidecarMetadata:
    channel = SidecarChannel(settings)
    await channel.start()
    try:
        await channel.ask("GET", "/v1.0/healthz/outbound", "asking for the sidecar's health")
        return await metadata(channel)
    finally:
        await channel.close()
