"""Lines: where the output of one process goes, to the terminal behind a coloured name, to a file, or to both."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from pillion.cli.schema import LogDestination

_COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "bright_cyan", "bright_magenta", "bright_green")


class Lines:
    """Takes lines; call it with each one.

    Args:
        name: what stands before each line on the terminal.
        width: the length names are filled to, so that lines stand below each other.
        number: chooses the colour; colours are left out when standard output is no terminal.
        destination: console, file or fileAndConsole, as in the run file.
        file: where the file is, if there is to be one; created, with its folder, at the first line.
    """

    def __init__(self, name: str, width: int, number: int, destination: LogDestination, file: Path) -> None:
        self._prefix = click.style(f"{name:<{width}} |", fg=_COLOURS[number % len(_COLOURS)])
        self._on_console = destination != "file"
        self._file = None if destination == "console" else file

    def __call__(self, line: str) -> None:
        if self._on_console:
            click.echo(f"{self._prefix} {line}")
        if self._file:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a", encoding="utf-8") as file:
                file.write(line + "\n")


def log_file(directory: Path, app_id: str, kind: str) -> Path:
    """Where Dapr's own command line puts the log of an application (kind ``app``) or its sidecar (``daprd``)."""
    return directory / ".dapr" / "logs" / f"{app_id}_{kind}_{datetime.now(UTC):%Y%m%d%H%M%S}.log"
