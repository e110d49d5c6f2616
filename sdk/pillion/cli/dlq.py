"""``pillion dlq``: dead letters, found, understood, handled after all or dropped."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from shutil import get_terminal_size
from typing import Any

import click
import msgspec

from pillion.cli.envelope import as_json, page, table
from pillion.cli.mailbox import Mailbox
from pillion.cli.payload import pretty
from pillion.cli.place import Place, placed
from pillion.cli.selection import Found, Selection, counted, selected
from pillion.errors import ConfigurationError
from pillion.ports.clock import SystemClock
from pillion.telemetry.logs import configure

# Letters that are moved or removed together.
_BATCH = 100

_REPLAYED = (
    "the running service takes them within seconds, or else the next one to start; they leave the list now, and what "
    "fails again is back"
)
_NOT_CHECKED = (
    "not checked: only the service knows its handlers, `pillion describe` shows them; if it has none of this name, the "
    "letter is back after 5 minutes, as unknown_handler"
)

_AS_JSON = click.option("--json", "json", is_flag=True, help="Print JSON, for programs.")
_ALL = click.option("--all", "all_", is_flag=True, help="All of them; without it say which.")
_DRY_RUN = click.option("--dry-run", is_flag=True, help="Only say what would happen.")


@click.group(name="dlq")
def command() -> None:
    """Dead letters: messages that a service could not handle.

    A message is set aside when its handler refuses it, or has failed as often as its retries allow. The service that
    could not handle it keeps it in its own state store, until somebody replays or drops it. Where to look is said
    either by --app and --profile, for a service that runs without a sidecar, or by --sidecar-port, for one beside a
    sidecar (default: DAPR_HTTP_PORT, else 3500, as Dapr's). The service itself need not run, but its sidecar must.

    \b
    Examples:
      pillion dlq ls                                        what is there, and why, at the sidecar on port 3500
      pillion dlq show 3f2a --sidecar-port 3500             all about one letter, and what to do
      pillion dlq replay 3f2a --sidecar-port 3500           have it handled again
      pillion dlq drop --older-than 7d --app orders:service --profile components/local

    Exit codes of all four: 0 done, 1 some letters cannot be replayed, 2 wrong usage or nowhere to look.
    """  # noqa: D301 - click's mark: keep these lines
    configure(level="warning")


@command.command(short_help="List dead letters: what failed, and why.")
@placed
@selected
@_AS_JSON
def ls(place: Place, selection: Selection, json: bool) -> None:
    """List dead letters: which handler failed, why, and how often.

    All of a service, or only those for which every given option holds. An id may be shortened wherever one is wanted,
    and the id of the message does as well.

    \b
    Examples:
      pillion dlq ls --sidecar-port 3500 --sidecar-port 3501
      pillion dlq ls --app orders:service --profile components/local --failure card_declined --newer-than 2h
      pillion dlq ls --sidecar-port 3500 --service payments.v1 --json | jq '.[].id'
    """  # noqa: D301 - click's mark: keep these lines
    asyncio.run(_ls(place, selection, json=json))


@command.command(short_help="Show all about one dead letter, and what to do.")
@placed
@click.argument("id_", metavar="ID")
@_AS_JSON
def show(place: Place, id_: str, json: bool) -> None:
    """Show all about one dead letter: what failed and why, its payload, and what to do.

    \b
    Examples:
      pillion dlq show 3f2a --sidecar-port 3500
      pillion dlq show 3f2a --app orders:service --profile components/local
      pillion dlq show 3f2a --sidecar-port 3500 --json | jq .message.data
    """  # noqa: D301 - click's mark: keep these lines
    asyncio.run(_show(place, id_, json=json))


@command.command(short_help="Have dead letters handled again.")
@placed
@selected
@_ALL
@click.option("--to", metavar="HANDLER", help="Handler that takes these IDs instead: orders.v1.refund")
@_DRY_RUN
@click.pass_context
def replay(
    context: click.Context, place: Place, selection: Selection, all_: bool, to: str | None, dry_run: bool
) -> None:
    """Have dead letters handled again, each by the one handler that failed.

    Mend the cause first. Other subscriptions of the same event do not get it again. The running service takes it
    within seconds, the next one to start does so otherwise; its attempts are counted from 1, and it has no deadline and
    no expiration any more. It leaves the list at once. When it fails again, it is a dead letter again, under the same
    id; so it is, after 5 minutes, when the running service has no such handler.

    \b
    Examples:
      pillion dlq replay 3f2a 77c0 --sidecar-port 3500
      pillion dlq replay --handler orders.v1.refund --failure TimeoutError --sidecar-port 3500 --dry-run
      pillion dlq replay 3f2a --to orders.v1.refund --app orders:service --profile components/local
    """  # noqa: D301 - click's mark: keep these lines
    _demand(selection, all_=all_)
    if to is not None and not selection.ids:
        raise click.UsageError("--to needs the ids of the letters that this handler is to take")
    context.exit(asyncio.run(_replay(place, selection, to, dry_run=dry_run)))


@command.command(short_help="Forget dead letters.")
@placed
@selected
@_ALL
@_DRY_RUN
@click.option("--yes", is_flag=True, help="Do not ask. Needed where nobody can be asked, as in a script.")
def drop(place: Place, selection: Selection, all_: bool, dry_run: bool, yes: bool) -> None:
    """Forget dead letters. What they held is gone for good.

    \b
    Examples:
      pillion dlq drop 3f2a --sidecar-port 3500
      pillion dlq drop --failure invalid_input --older-than 7d --sidecar-port 3500 --dry-run
      pillion dlq drop --all --yes --app orders:service --profile components/local
    """  # noqa: D301 - click's mark: keep these lines
    _demand(selection, all_=all_)
    asyncio.run(_drop(place, selection, dry_run=dry_run, sure=yes))


async def _ls(place: Place, selection: Selection, *, json: bool) -> None:
    async with place.open() as mailboxes:
        found = await selection.of(mailboxes)
        nothing = "" if found else await _nothing(place, selection, mailboxes)
    if json:
        _print_json([as_json(one) for one in found])
    elif found:
        _print_table(found)
        click.echo(f"{counted(found)}. Next:")
        click.echo(f"  {place.command('show', found[0].letter.id)}\n  {place.command('replay', '--all', '--dry-run')}")
    else:
        click.echo(nothing)


async def _show(place: Place, id_: str, *, json: bool) -> None:
    async with place.open() as mailboxes:
        (found,) = await Selection.by_id(id_).of(mailboxes)
        message = await found.mailbox.letters.show(found.letter.id)
    if message is None:
        raise ConfigurationError(f"dead letter {found.letter.id} was replayed or dropped just now")
    if json:
        _print_json(as_json(found, message))
        return
    click.echo("\n".join(page(found, message, place, SystemClock().now())))


async def _replay(place: Place, selection: Selection, to: str | None, *, dry_run: bool) -> int:
    async with place.open() as mailboxes:
        found = await selection.of(mailboxes)
        if to is not None:
            _check_target(found, to)
        refused = {one: reason for one in found if (reason := one.mailbox.obstacle(one.letter, to))}
        for (_, letter), reason in refused.items():
            click.echo(f"pillion: dead letter {letter.id} {reason}", err=True)
        taken = [one for one in found if one not in refused]
        if dry_run and taken:
            _print_table(taken)
        for handler, of_handler in _by_handler(taken, to).items():
            if not dry_run:
                await _move(of_handler, handler, to)
            click.echo(f"{'would replay' if dry_run else 'replayed'} {counted(of_handler)} to {handler}")
        if to is not None and any(not one.mailbox.knows(to) for one in taken):
            click.echo(_NOT_CHECKED)
        if not found:
            click.echo(await _nothing(place, selection, mailboxes))
    if taken and not dry_run:
        click.echo(_REPLAYED if to else f"{_REPLAYED} under the same id")
    return 1 if refused else 0


async def _drop(place: Place, selection: Selection, *, dry_run: bool, sure: bool) -> None:
    async with place.open() as mailboxes:
        found = await selection.of(mailboxes)
        if not found:
            click.echo(await _nothing(place, selection, mailboxes))
            return
        if dry_run or not sure:
            _check_answerable(found, dry_run=dry_run)
            _print_table(found)
        if dry_run:
            click.echo(f"would drop {counted(found)}")
            return
        if not sure:
            click.confirm(f"Drop {counted(found)} for good?", abort=True)
        for mailbox, letters in _by_mailbox(found).items():
            await mailbox.letters.drop(letters)
    click.echo(f"dropped {counted(found)}")


def _check_target(found: Sequence[Found], to: str) -> None:
    """Refuse a handler that cannot take these letters.

    Raises:
        ConfigurationError: it is none of theirs, or does not exist.
    """
    for mailbox in _by_mailbox(found):
        if reason := mailbox.refusal(to):
            raise ConfigurationError(reason)


def _check_answerable(found: Sequence[Found], *, dry_run: bool) -> None:
    """Refuse to ask where nobody can answer: taking that for a yes would lose letters.

    Raises:
        ConfigurationError: standard input is no terminal.
    """
    if not dry_run and not sys.stdin.isatty():
        raise ConfigurationError(
            f"this cannot ask, as stdin is no terminal; add --yes to drop {counted(found)}, or --dry-run to see them"
        )


async def _move(found: Sequence[Found], handler: str, to: str | None) -> None:
    for mailbox, ids in _by_mailbox(found).items():
        for start in range(0, len(ids), _BATCH):
            await mailbox.replay(ids[start : start + _BATCH], handler, to)


def _demand(selection: Selection, *, all_: bool) -> None:
    if selection.empty and not all_:
        raise click.UsageError("say which: ids, --handler, --failure, --older-than, --newer-than, or --all")
    if all_ and not selection.empty:
        raise click.UsageError("--all is all of them; leave it out to choose by ids or options")


def _by_handler(found: Sequence[Found], to: str | None) -> dict[str, list[Found]]:
    parts: dict[str, list[Found]] = {}
    for one in found:
        parts.setdefault(to or one.letter.subscriber, []).append(one)
    return parts


def _by_mailbox(found: Sequence[Found]) -> dict[Mailbox, list[str]]:
    parts: dict[Mailbox, list[str]] = {}
    for mailbox, letter in found:
        parts.setdefault(mailbox, []).append(letter.id)
    return parts


async def _nothing(place: Place, selection: Selection, mailboxes: Sequence[Mailbox]) -> str:
    """That there are none, and where else some could be."""
    text = await selection.nothing(mailboxes)
    if place.apps or place.sidecar_ports[1:] or not text.startswith("no "):
        return text
    return f"{text}; each service keeps its own: ask its sidecar, with --sidecar-port"


def _print_table(found: Sequence[Found]) -> None:
    width = get_terminal_size().columns if sys.stdout.isatty() else None
    click.echo("\n".join(table(found, SystemClock().now(), width)))


def _print_json(value: Any) -> None:
    click.echo(pretty(msgspec.json.encode(value)))
