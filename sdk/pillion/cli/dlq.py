"""``pillion dlq``: dead letters, found, understood, handled after all or dropped."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

import click
import msgspec

from pillion.cli.envelope import as_json, page, table
from pillion.cli.mailbox import Mailbox
from pillion.cli.payload import pretty
from pillion.cli.place import Place, placed
from pillion.cli.selection import Found, Selection, selected
from pillion.errors import ConfigurationError
from pillion.ports.clock import SystemClock
from pillion.telemetry.logs import configure

# Letters that are moved or removed together.
_BATCH = 100

_AS_JSON = click.option("--json", "json", is_flag=True, help="Print JSON, for programs.")
_ALL = click.option("--all", "all_", is_flag=True, help="All of them; without it say which.")
_DRY_RUN = click.option("--dry-run", is_flag=True, help="Only say what would happen.")


@click.group(name="dlq")
def command() -> None:
    """Dead letters: messages that a service could not handle.

    A message is set aside when its handler refuses it, or has failed as often as its retries allow. The service that
    could not handle it keeps it in its own state store, until somebody replays or drops it. Where to look is said
    either by --app and --profile, for a service that runs without a sidecar, or by --sidecar-port, for one beside a
    sidecar; the service itself need not run.

    \b
    Examples:
      pillion dlq ls --sidecar-port 3500                    what is there, and why
      pillion dlq show 3f2a --sidecar-port 3500             all about one letter, and what to do
      pillion dlq replay 3f2a --sidecar-port 3500           have it handled again
      pillion dlq drop --older-than 7d --app orders:service --profile components/local

    Exit codes of all four: 0 done, 1 some letters cannot be replayed, 2 wrong usage or nowhere to look.
    """  # noqa: D301 - click's mark: keep these lines
    configure(level="warning")


@command.command()
@placed
@selected
@_AS_JSON
def ls(place: Place, selection: Selection, json: bool) -> None:
    """List dead letters: which handler failed, why, and how often.

    All of a service, or only those for which every given option holds. An id may be shortened wherever one is wanted.

    \b
    Examples:
      pillion dlq ls --sidecar-port 3500
      pillion dlq ls --app orders:service --profile components/local --failure card_declined --newer-than 2h
      pillion dlq ls --sidecar-port 3500 --service payments.v1 --json | jq '.[].id'
    """  # noqa: D301 - click's mark: keep these lines
    asyncio.run(_ls(place, selection, json=json))


@command.command()
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


@command.command()
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
    no expiration any more. When it fails again, it is a dead letter again, under the same id.

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


@command.command()
@placed
@selected
@_ALL
@_DRY_RUN
@click.option("--yes", is_flag=True, help="Do not ask.")
def drop(place: Place, selection: Selection, all_: bool, dry_run: bool, yes: bool) -> None:
    """Forget dead letters. What they held is gone for good.

    \b
    Examples:
      pillion dlq drop 3f2a --sidecar-port 3500
      pillion dlq drop --failure invalid_input --older-than 7d --sidecar-port 3500 --dry-run
      pillion dlq drop --all --yes --app orders:service --profile components/local
    """  # noqa: D301 - click's mark: keep these lines
    _demand(selection, all_=all_)
    asyncio.run(_drop(place, selection, dry_run=dry_run, sure=yes or not sys.stdin.isatty()))


async def _ls(place: Place, selection: Selection, *, json: bool) -> None:
    async with place.open() as mailboxes:
        found = await selection.of(mailboxes)
    if json:
        _print_json([as_json(*one) for one in found])
        return
    if found:
        click.echo("\n".join(table(found, SystemClock().now())))
    click.echo(_summary(found, mailboxes, selection))


async def _show(place: Place, id_: str, *, json: bool) -> None:
    async with place.open() as mailboxes:
        ((mailbox, letter),) = await Selection((id_,), None, None, None, None).of(mailboxes)
        message = await mailbox.letters.show(letter.id)
    if message is None:
        raise ConfigurationError(f"dead letter {letter.id} was replayed or dropped just now")
    if json:
        _print_json(as_json(mailbox, letter, message))
        return
    click.echo("\n".join(page(mailbox, letter, message, SystemClock().now())))


async def _replay(place: Place, selection: Selection, to: str | None, *, dry_run: bool) -> int:
    async with place.open() as mailboxes:
        found = await selection.of(mailboxes)
        refused = {one: reason for one in found if (reason := one.mailbox.obstacle(one.letter, to))}
        for (_, letter), reason in refused.items():
            click.echo(f"pillion: dead letter {letter.id} {reason}", err=True)
        for handler, of_handler in _by_handler([one for one in found if one not in refused], to).items():
            if not dry_run:
                await _move(of_handler, handler, to)
            click.echo(f"{'would replay' if dry_run else 'replayed'} {_count(of_handler)} to {handler}")
    if not found:
        click.echo(_summary(found, mailboxes, selection))
    elif not dry_run and len(refused) < len(found):
        click.echo("the running service takes them within seconds, or else the next one to start")
    return 1 if refused else 0


async def _drop(place: Place, selection: Selection, *, dry_run: bool, sure: bool) -> None:
    async with place.open() as mailboxes:
        found = await selection.of(mailboxes)
        if dry_run or not found:
            click.echo(f"would drop {_count(found)}" if found else _summary(found, mailboxes, selection))
            return
        if not sure:
            click.echo("\n".join(table(found, SystemClock().now())))
            click.confirm(f"Drop {_count(found)} for good?", abort=True)
        for mailbox, letters in _by_mailbox(found).items():
            await mailbox.letters.drop(letters)
    click.echo(f"dropped {_count(found)}")


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


def _summary(found: Sequence[Found], mailboxes: Sequence[Mailbox], selection: Selection) -> str:
    """How many there are, and what to do next."""
    if found:
        one = found[0].letter.id
        return (
            f"{_count(found)}. Next, with the same options: `pillion dlq show {one}` says what happened, `replay` has "
            "letters handled again, `drop` forgets them."
        )
    places = ", ".join(dict.fromkeys(mailbox.place for mailbox in mailboxes))
    return f"no dead letters in {places}" if selection.empty else f"no such dead letters in {places}"


def _count(found: Sequence[Found]) -> str:
    return f"{len(found)} dead letter{'' if len(found) == 1 else 's'}"


def _print_json(value: Any) -> None:
    click.echo(pretty(msgspec.json.encode(value)))
