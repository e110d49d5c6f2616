"""What one host gives all its handlers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Protocol
from uuid import uuid4

from pillion.message import Message
from pillion.ports.bridge import Bridge, Kind
from pillion.ports.clock import Clock
from pillion.resilience.claims import Claims
from pillion.resilience.deadlines import Deadlines
from pillion.resilience.threads import Threads
from pillion.service.guard import Guard

# Dapr gives up on an answer after 60 s (the profiles' inbound timeout); waiting in the app stays well below. Seconds.
LONGEST_WAIT = 20.0


class Log(Protocol):
    """The part of a structured logger that the pipeline uses."""

    def info(self, event: str, **fields: Any) -> Any: ...

    def warning(self, event: str, **fields: Any) -> Any: ...

    def error(self, event: str, **fields: Any) -> Any: ...


class Tracer(Protocol):
    """Opens spans around handlers; absent when tracing is off. What leaves is traced by a bridge around the bridge."""

    def handling(self, address: str, kind: Kind, message: Message) -> AbstractContextManager[None]:
        """A span that continues the message's trace and records what is raised inside."""
        ...


class Ids:
    """Unique ids without a system call for each: a random prefix and a counter.

    Attributes:
        next: makes a new id.
    """

    def __init__(self) -> None:
        self._prefix = uuid4().hex[:20]
        self.next: Callable[[], str] = _numbered(self._prefix).__next__

    def number(self, id_: str) -> int:
        """The how manieth of those made here it is; 0 when it was made elsewhere."""
        prefix, _, number = id_.rpartition("-")
        return int(number) if prefix == self._prefix and number.isdecimal() else 0


def _numbered(prefix: str) -> Iterator[str]:
    """Ids in a row; digits for a thousand at a time, as to format a number takes longer than to join two texts."""
    last = [f"{number:03}" for number in range(1000)]
    for thousands in count(1):
        first = f"{prefix}-{thousands}"
        for digits in last:
            yield first + digits


@dataclass(frozen=True, slots=True)
class Facilities:
    """Everything the pipeline needs from the host.

    Attributes:
        bridge: moves messages.
        clock: tells the time and waits.
        deadlines: timers of this event loop.
        threads: run handlers that are not ``async``.
        log: for what nobody else hears of.
        app: name of this process in ``source``, for example ``shop``.
        tracer: opens spans; None when tracing is off.
        guards: replacements by guard name, for tests.
        longest_wait: seconds for which a message waits in the app, at most; what has to wait longer is parked.
        ids: makes message ids.
        claims: where payloads are that are too large for a broker.
    """

    bridge: Bridge
    clock: Clock
    deadlines: Deadlines
    threads: Threads
    log: Log
    app: str
    tracer: Tracer | None = None
    guards: Mapping[str, Guard] = field(default_factory=dict)
    longest_wait: float = LONGEST_WAIT
    ids: Ids = field(default_factory=Ids)
    claims: Claims = field(default_factory=Claims)
