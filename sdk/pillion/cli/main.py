"""The ``pillion`` command: a group whose commands are imported when they are chosen."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

from pillion.errors import PillionError

# Module of the same name below pillion.cli, and its line in `pillion --help`, which therefore needs no import.
_COMMANDS = {
    "run": "Run services in this process.",
    "call": "Call a command of a service and print its answer.",
    "emit": "Emit an event of a service.",
    "dlq": "Find, understand, replay and drop dead letters.",
    "describe": "Show what services offer and who calls whom.",
    "dev": "Run every app of a run file beside its own sidecar.",
    "doctor": "Find out what is wrong, and what to do about it.",
    "completion": "Print the completion script of a shell.",
}


class LazyGroup(click.Group):
    """A group that imports a command's module (attribute ``command``) only when it is chosen.

    Args:
        lazy: name of each command and what it does in one line.
        package: where the modules are.
    """

    def __init__(self, *args: Any, lazy: Mapping[str, str], package: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lazy = lazy
        self._package = package

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names, in the order they are given."""
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The command of this name."""
        if cmd_name not in self._lazy:
            return None
        module = importlib.import_module(f"{self._package}.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """The list of commands, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._lazy.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the chosen command: an error of pillion is a sentence and exit code 2, Ctrl-C is 130."""
        try:
            return super().invoke(ctx)
        except PillionError as error:
            click.echo("\n".join((*getattr(error, "__notes__", ()), f"pillion: {error}")), err=True)
            ctx.exit(2)
        except KeyboardInterrupt:
            ctx.exit(130)


@click.group(cls=LazyGroup, lazy=_COMMANDS, package="pillion.cli")
@click.version_option(package_name="pillion", message="%(prog)s %(version)s")
def main() -> None:
    """Services as typed declarations; Dapr component YAML decides where they run.

    \b
    Examples:
      pillion run hello:greeter
      pillion call greeter.hello '{"name": "Ada"}' --app hello:greeter
      pillion dev --profile redis

    `pillion COMMAND --help` explains each command.
    """  # noqa: D301 - click's mark: keep these lines
