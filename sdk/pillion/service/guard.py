"""Guards: named checks before a handler runs, or on its answer after it ran."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, overload

from pillion.context import Context
from pillion.errors import DeclarationError

When: TypeAlias = Literal["before", "after"]
Check: TypeAlias = Callable[[Context[Any, Any], Any], bool | Awaitable[bool | None] | None]


@dataclass(frozen=True, eq=False)
class Guard:
    """A check by name, so that a test can replace it.

    Attributes:
        name: unique per handler; the function's name by default.
        check: takes the context and the request (or, after, the answer). False refuses with ``Forbidden``; it may
            also raise a ``Failure`` of its own.
        when: ``before`` the handler, or ``after`` it.
    """

    name: str
    check: Check
    when: When = "before"


@overload
def guard(check: Check, /) -> Guard: ...
@overload
def guard(*, name: str = ..., when: When = ...) -> Callable[[Check], Guard]: ...


def guard(check: Check | None = None, /, *, name: str = "", when: When = "before") -> Guard | Callable[[Check], Guard]:
    """Make a guard of a function: ``@guard`` or ``@guard(when="after")``."""
    if check is not None:
        return as_guard(check)
    return lambda function: Guard(name or function.__name__, function, when)


def as_guard(check: Guard | Check) -> Guard:
    """The guard itself, or a plain function as a guard before the handler.

    Raises:
        DeclarationError: it is neither.
    """
    if isinstance(check, Guard):
        return check
    name = getattr(check, "__name__", "")
    if not callable(check) or not name:
        raise DeclarationError(
            f"guard {check!r}: give a function (context, payload) -> bool, or guard(name=...)(...) of what has no name"
        )
    return Guard(name, check)
