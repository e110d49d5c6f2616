"""Selections: which dead letters a command is about."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import wraps
from typing import Any, NamedTuple, Self

import click

from pillion.cli.mailbox import Mailbox
from pillion.errors import ConfigurationError
from pillion.ports.clock import SystemClock
from pillion.resilience.deadletter import MALFORMED
from pillion.resilience.letters import Letter

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_AGE = re.compile(r"(\d+(?:\.\d+)?)([smhd])")


class Age(click.ParamType[float]):
    """``30m``, ``2h`` or ``7d``, as seconds."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read one."""
        if isinstance(value, float):
            return value
        found = _AGE.fullmatch(value)
        if found is None:
            self.fail(f"{value!r} is no age; write a number and s, m, h or d, such as 30m, 2h or 7d", param, ctx)
        return float(found[1]) * _UNITS[found[2]]


def age(seconds: float) -> str:
    """The largest unit that fits, such as ``5m``."""
    unit = next((name for name, size in reversed(_UNITS.items()) if seconds >= size), "s")
    return f"{max(0, int(seconds / _UNITS[unit]))}{unit}"


class Found(NamedTuple):
    """A letter and the mailbox it is in."""

    mailbox: Mailbox
    letter: Letter


class Selection(NamedTuple):
    """What the options say about which letters are meant; ``selected`` makes it."""

    ids: tuple[str, ...]
    handler: str | None
    failure: str | None
    correlation: str | None
    older_than: float | None
    newer_than: float | None

    @classmethod
    def by_id(cls, id_: str) -> Self:
        """One letter."""
        return cls((id_,), None, None, None, None, None)

    @property
    def empty(self) -> bool:
        """Whether nothing was said, so that all are meant."""
        return not any(self)

    async def of(self, mailboxes: Sequence[Mailbox]) -> list[Found]:
        """The letters that are meant, oldest first in each mailbox.

        Raises:
            ConfigurationError: an id is not there, or short for several.
            StoreError: a store cannot be read.
        """
        now = SystemClock().now()
        found = [
            Found(mailbox, letter)
            for mailbox in mailboxes
            for letter in await mailbox.letters.list(
                subscriber=self.handler,
                failure=self.failure,
                correlation=self.correlation,
                older_than=None if self.older_than is None else now - self.older_than,
                newer_than=None if self.newer_than is None else now - self.newer_than,
            )
        ]
        return [_only(id_, found) for id_ in dict.fromkeys(self.ids)] if self.ids else found

    async def nothing(self, mailboxes: Sequence[Mailbox]) -> str:
        """What to say when no letter is meant.

        Raises:
            StoreError: a store cannot be read.
        """
        letters = [Found(mailbox, letter) for mailbox in mailboxes for letter in await mailbox.letters.list()]
        places = ", ".join(dict.fromkeys(mailbox.place for mailbox in mailboxes))
        if not letters or self.empty:
            return f"no dead letters in {places}"
        told = "; ".join(self._missed(letters))
        return f"none of {counted(letters)} in {places} has {told}"

    def _missed(self, letters: Sequence[Found]) -> Iterator[str]:
        """Each thing that was asked for, and what there is instead."""
        if self.handler is not None:
            yield f'handler "{self.handler}", there are {_distinct(map(handler_of, letters))}'
        if self.failure is not None:
            yield f'failure "{self.failure}", there are {_distinct(one.letter.failure or "unknown" for one in letters)}'
        if self.correlation is not None:
            yield f'correlation id "{self.correlation}"'
        if (self.older_than, self.newer_than) != (None, None):
            yield "this age"


def _distinct(names: Iterable[str]) -> str:
    return ", ".join(sorted(set(names)))


def counted(found: Sequence[Found]) -> str:
    """How many letters these are, in words."""
    return f"{len(found)} dead letter{'' if len(found) == 1 else 's'}"


def handler_of(found: Found) -> str:
    """What failed, for people; bytes that are no CloudEvent failed before they reached a handler."""
    letter = found.letter
    return letter.subscriber if letter.subscriber and letter.type != MALFORMED else f"unknown ({found.mailbox.group})"


def selected(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the arguments and options that say which letters; it gets them as ``selection``."""

    @wraps(function)
    def command(*args: Any, **options: Any) -> Any:
        selection = Selection(*(options.pop(name) for name in Selection._fields))
        return function(*args, selection=selection, **options)

    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def _only(id_: str, found: Sequence[Found]) -> Found:
    """The letter of this id, or whose id begins so, or that holds the message of this id."""
    matching = [one for one in found if one.letter.id.startswith(id_) or one.letter.message_id == id_]
    if not matching:
        raise ConfigurationError(f"there is no dead letter {id_} among these; `pillion dlq ls` shows which there are")
    if len(matching) > 1:
        names = ", ".join(one.letter.id for one in matching)
        raise ConfigurationError(f"{id_} is short for several dead letters: {names}; write more of it")
    return matching[0]


_OPTIONS = (
    click.argument("ids", metavar="[ID]...", nargs=-1),
    click.option("--handler", metavar="ADDRESS", help="Only what this handler could not do: orders.v1.refund"),
    click.option("--failure", metavar="CODE", help="Only letters with this failure: card_declined, ValueError"),
    click.option("--correlation", metavar="ID", help="Only what this outside request caused, by its correlation id."),
    click.option("--older-than", type=Age(), metavar="AGE", help="30m: only letters kept more than 30m ago."),
    click.option("--newer-than", type=Age(), metavar="AGE", help="30m: only letters kept within the last 30m."),
)
