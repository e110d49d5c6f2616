"""``pillion doctor``: what is wrong here, and what to do about it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import click

from pillion.cli.dev import find_profile
from pillion.cli.finding import Finding
from pillion.cli.profile import check_loaded, check_needs, check_profiles, check_pubsub, check_state
from pillion.cli.surroundings import CHECKS, loaded
from pillion.cli.target import load_service
from pillion.errors import ConfigurationError, PillionError
from pillion.runtime.embedded import profile_stores
from pillion.service.service import Service
from pillion.sidecar.settings import present


@click.command(name="doctor")
@click.option(
    "--profile", "profiles", metavar="NAME|DIR", multiple=True,
    help="Also look at this folder of component YAML. May be repeated. Default: those of PILLION_PROFILE.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.argument("targets", metavar="[MODULE:ATTR]...", nargs=-1)
@click.pass_context
def command(context: click.Context, profiles: tuple[str, ...], as_json: bool, targets: tuple[str, ...]) -> None:
    """Find out what is wrong, and what to do about it.

    Each line begins with `ok`, or with `!!` and then says what to do. Exit code 0: all is well, 1: there is something
    to do. Secrets and tokens are never shown.

    \b
    Examples:
      pillion doctor                                     Python, packages, daprd, sidecar, ports
      pillion doctor --profile redis                     also components/redis and whether Redis answers
      pillion doctor --profile redis --profile state/sqlite services.orders.service:service
      pillion doctor --json
    """  # noqa: D301 - click's mark: keep these lines
    names = profiles or filter(None, os.environ.get("PILLION_PROFILE", "").split(os.pathsep))
    folders = [find_profile(Path("dapr.yaml"), name) for name in names]
    findings = list(examine(os.environ, folders, targets))
    click.echo(
        json.dumps([{"ok": item.ok, **asdict(item)} for item in findings], indent=2) if as_json else _text(findings)
    )
    context.exit(0 if all(item.ok for item in findings) else 1)


def examine(environ: Mapping[str, str], profiles: Sequence[Path], targets: Sequence[str]) -> Iterator[Finding]:
    """All findings: surroundings, then the profiles together, then each service."""
    yield from (check(environ) for check in CHECKS)
    yield from check_profiles(profiles) if profiles else ()
    if found := loaded(environ):
        yield from check_loaded(profiles, found)
    embedded = _is_embedded(environ, profiles)
    for target in targets:
        yield from _check_service(target, profiles, embedded)


def _is_embedded(environ: Mapping[str, str], profiles: Sequence[Path]) -> bool:
    """Whether services run without a sidecar here: there is none, and nothing in the profiles needs one."""
    if present(environ):
        return False
    try:
        profile_stores(profiles, "", environ)
    except ConfigurationError:
        return False
    return True


def _check_service(target: str, profiles: Sequence[Path], embedded: bool) -> Iterator[Finding]:
    try:
        service: Service = load_service(target)
    except PillionError as error:
        yield Finding(target, str(error), "correct it")
        return
    handlers = f"{len(service.handlers)} commands, {len(service.subscriptions)} subscriptions"
    yield Finding(target, f"{service.group} with {handlers}")
    if not profiles:
        return
    group, state = service.group, service.state_component
    yield check_pubsub(profiles, group) if embedded else check_needs(profiles, group, ("pubsub",))
    yield check_needs(profiles, group, (state,)) if _needs_state(service) else check_state(profiles, group, state)


def _needs_state(service: Service) -> bool:
    """Whether its declaration says so: what is remembered, parked, kept in order or set aside is in its state."""
    named = service.state_component != f"{service.name}-state"
    remembered = any(handler.once is not None or handler.retries for handler in service.handlers.values())
    return named or remembered or bool(service.subscriptions)


def _text(findings: Sequence[Finding]) -> str:
    return "\n".join(click.style(str(item), fg=None if item.ok else "yellow") for item in findings)
