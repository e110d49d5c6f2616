"""The keyword arguments of a service's decorators, as type checkers see them; ``Service`` says what they mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any, Literal, TypeAlias, TypedDict, TypeVar

from pillion.errors import Failure
from pillion.outcome import Retry
from pillion.resilience.pause import Pause
from pillion.service.command import Command
from pillion.service.event import Event
from pillion.service.expose import Expose
from pillion.service.filter import Filter
from pillion.service.guard import Check, Guard

P = TypeVar("P")

# What messages of one order have in common: what ``key=`` of the event or of ``emit`` said, or what a function finds in
# the payload.
Key: TypeAlias = Literal["subject"] | Callable[[P], str] | None


class Running(TypedDict, total=False):
    """Those of every handler."""

    calls: Iterable[Command[Any, Any]]
    emits: Iterable[Event[Any]]
    guards: Iterable[Guard | Check]
    concurrency: int
    retry: Retry | Sequence[Retry]
    once: bool | timedelta


class Handling(Running, total=False):
    """Those of ``handles``."""

    timeout: float | None


class Declaring(Running, total=False):
    """Those of ``command``."""

    name: str
    raises: Iterable[type[Failure]]
    timeout: float
    emits_result: Event[Any] | None
    announced: bool
    expose: Expose | None
    description: str
    examples: Iterable[Any]
    deprecated: str


class Reacting(Running, total=False):
    """Those of ``on``, but ``key`` and ``transform_in``, which depend on the event."""

    name: str
    where: Filter | None
    dead_letter: bool
    broadcast: bool
    timeout: float | None
    slow: bool
    pause: Pause | None
