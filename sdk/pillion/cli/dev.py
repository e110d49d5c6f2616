"""``pillion dev``: the applications of a run file, each beside a sidecar, on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from pillion.cli.fleet import Fleet
from pillion.cli.runfile import Entry, read_runfile
from pillion.errors import ConfigurationError
from pillion.sidecar.ports import is_listening


@click.command(name="dev")
@click.option(
    "-f", "--run-file", "path", type=click.Path(path_type=Path), default="dapr.yaml", show_default=True,
    help="Dapr's multi-app run file.",
)  # fmt: skip
@click.option(
    "--profile", "profiles", metavar="NAME|DIR", multiple=True,
    help="Components to use instead of those beside them: components/NAME, or a folder. May be repeated.",
)  # fmt: skip
@click.option("--reload", is_flag=True, help="Restart an app and its sidecar when its Python code changes.")
@click.argument("app_ids", metavar="[APP_ID]...", nargs=-1)
@click.pass_context
def command(
    context: click.Context, path: Path, profiles: tuple[str, ...], reload: bool, app_ids: tuple[str, ...]
) -> None:
    """Run every app of a run file beside its own sidecar.

    Ctrl-C lets each app finish what it has in hand, then stops its sidecar while it still answers. When an app or a
    sidecar dies, its last lines are shown, all others are stopped and the exit code is 1.

    \b
    Examples:
      pillion dev                            all apps of ./dapr.yaml
      pillion dev --profile rabbitmq         the same over RabbitMQ
      pillion dev --profile kafka --profile state/postgresql
      pillion dev --reload orders payments   two of them, restarted on change
    """  # noqa: D301 - click's mark: keep these lines
    entries = _chosen(path, read_runfile(path), app_ids)
    folders = [find_profile(path, profile) for profile in profiles]
    _check_ports(path, entries)
    context.exit(asyncio.run(_run(entries, folders, reload)))


async def _run(entries: Sequence[Entry], profiles: Sequence[Path], reload: bool) -> int:
    return await Fleet(entries, profiles=profiles, reload=reload).run()


def _chosen(path: Path, entries: tuple[Entry, ...], app_ids: tuple[str, ...]) -> Sequence[Entry]:
    known = {entry.app_id: entry for entry in entries}
    for app_id in app_ids:
        if app_id not in known:
            raise ConfigurationError(f"{path} has no app {app_id!r}; it has {', '.join(known)}")
    return [known[app_id] for app_id in app_ids] or entries


def _check_ports(path: Path, entries: Sequence[Entry]) -> None:
    """An app cannot listen where somebody else does; its sidecar would take that one for the app."""
    taken = [f"{one.app_id} (port {one.app_port})" for one in entries if one.app_port and is_listening(one.app_port)]
    if taken:
        raise ConfigurationError(
            f"another process listens on the port of {', '.join(taken)}; stop it, or change appPort in {path}"
        )


def find_profile(run_file: Path, profile: str) -> Path:
    """The folder of a profile: ``components/<profile>`` beside the run file, else a folder of that name.

    Raises:
        ConfigurationError: when there is neither; the text lists the profiles there are.
    """
    components = run_file.resolve().parent / "components"
    for folder in (components / profile, Path(profile).expanduser().resolve()):
        if folder.is_dir():
            return folder
    names = ", ".join(sorted(_leaves(components))) or "none"
    raise ConfigurationError(f"no profile {profile!r}: no folder {components / profile}; profiles there: {names}")


def _leaves(components: Path) -> Iterator[str]:
    for folder in components.glob("*/**/"):
        if not any(folder.glob("*/")):
            yield str(folder.relative_to(components))
