"""``pillion completion``: the script that teaches a shell pillion's commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from pillion.errors import ConfigurationError


@click.command(name="completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    \b
    Examples:
      eval "$(pillion completion bash)"                                    in ~/.bashrc
      eval "$(pillion completion zsh)"                                     in ~/.zshrc
      pillion completion fish > ~/.config/fish/completions/pillion.fish
    """  # noqa: D301 - click's mark: keep these lines
    completer = get_completion_class(shell)
    if completer is None:
        raise ConfigurationError(f"there is no completion for {shell}; use bash, zsh or fish")
    click.echo(completer(context.find_root().command, {}, "pillion", "_PILLION_COMPLETE").source())
