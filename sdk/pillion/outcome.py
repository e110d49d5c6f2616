"""What handling a message came to: the one value that goes back to the bridge.

``Retry``, ``Drop`` and ``DeadLetter`` are also what a handler raises to decide the outcome itself.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from msgspec import Struct

from pillion.errors import DeclarationError
from pillion.message import Message


class Ack:
    """Handled; the broker may forget the message."""

    __slots__ = ()


class Reply(Struct, frozen=True, gc=False):
    """A command was handled, well or with a failure; the message is the answer to its caller."""

    message: Message


class Verdict(Exception):
    """A handler's own decision about its message, raised from anywhere inside it."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason or type(self).__name__)
        self.reason = reason


class Drop(Verdict):
    """Forget the message: handling it is pointless. It is logged with the reason."""


class DeadLetter(Verdict):
    """Set the message aside on the service's dead-letter topic, with the reason."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waiting times that double from ``first`` to ``last``.

    Attributes:
        first: seconds before the second attempt.
        last: no wait is longer than this, in seconds.
    """

    first: float
    last: float

    UNITS: ClassVar[dict[str, float]] = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}

    @classmethod
    def parse(cls, text: str) -> Backoff:
        """Read ``"200ms..30s"``, or ``"1s"`` for a constant wait.

        Raises:
            DeclarationError: when the text is no such thing.
        """
        first, _, last = text.partition("..")
        return cls(cls._seconds(first, text), cls._seconds(last or first, text))

    @classmethod
    def _seconds(cls, part: str, text: str) -> float:
        number = part.strip().rstrip("msh")
        unit = part.strip()[len(number) :]
        # Only digits and a point: float reads "nan" and "-1" too.
        if re.fullmatch(r"\d+\.?\d*|\.\d+", number) is None or unit not in cls.UNITS:
            raise DeclarationError(f'backoff "{text}": write a range such as "200ms..30s" (ms, s, m or h)')
        return float(number) * cls.UNITS[unit]

    def wait(self, attempt: int) -> float:
        """Seconds to wait after this attempt failed; attempts count from 1."""
        # The exponent is bounded so that no attempt number overflows a float.
        return float(min(self.last, self.first * 2 ** min(attempt - 1, 64)))


class Retry(Verdict):
    """Try again: raised by a handler, or declared as a handler's policy.

    Raised, ``Retry(after=2.5)`` asks for the next attempt in 2.5 seconds and counts as one attempt of the policy.
    Declared, ``retry=Retry(attempts=5, backoff="200ms..30s")`` says how often and how fast; with
    ``on=[TimeoutError]`` only for these exceptions. Of several policies the first that fits is followed; an exception
    that none fits is not tried again.

    Attributes:
        reason: why, for logs and dead letters.
        after: seconds until the next attempt; None follows the backoff.
        attempts: how many attempts in all, the first included. Default 5.
        backoff: waits between them. Default ``"200ms..5s"``.
        jitter: part of each wait that is random, 0 to 1. Default 0.2.
        on: exception classes it is for, a failure's that is not ``retryable`` too; empty for all that are unexpected or
            retryable.

    Raises:
        DeclarationError: when a value is out of its range.
    """

    def __init__(
        self,
        reason: str = "",
        *,
        after: float | None = None,
        attempts: int = 5,
        backoff: str = "200ms..5s",
        jitter: float = 0.2,
        on: type[BaseException] | Iterable[type[BaseException]] = (),
    ) -> None:
        super().__init__(reason)
        if attempts < 1 or not 0 <= jitter <= 1 or (after is not None and not 0 <= after < math.inf):
            raise DeclarationError(
                "Retry: attempts must be at least 1, jitter between 0 and 1, after a number that is not negative"
            )
        self.after = after
        self.attempts = attempts
        self.backoff = Backoff.parse(backoff)
        self.jitter = jitter
        self.on = (on,) if isinstance(on, type) else tuple(on)
        if not all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in self.on):
            raise DeclarationError(f"Retry: on={on!r} must be an exception class, or several")


Outcome: TypeAlias = Ack | Reply | Retry | Drop | DeadLetter
