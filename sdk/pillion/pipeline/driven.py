"""Coroutines that are begun by hand, as ``await`` would: most are done at once, and need nothing around them."""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")


def driven(work: Coroutine[Any, Any, T], waiting: Any) -> Generator[Any, Any, T]:
    """The rest of work that has begun, by ``work.send(None)``, and waits for what that gave."""
    try:
        while True:
            try:
                sent = yield waiting
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is the work's to handle
                waiting = work.throw(error)
            else:
                waiting = work.send(sent)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
