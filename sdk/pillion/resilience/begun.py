"""Work that somebody runs by hand until it has to wait, as most does not: ``next(work, DONE)``, then ``rest``."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any, Final, TypeAlias

# What ``coroutine.__await__()`` gives. It returns nothing: a value would be raised, which takes longer than the rest.
Driven: TypeAlias = Generator[Any, Any, None]

# Told apart from None, which is what ``asyncio.sleep(0)`` yields.
DONE: Final = object()


def put_down(waits_for: Any) -> None:
    """Let others await the same before work goes on."""
    _mark(waits_for, awaited=False)


def rest(work: Driven, waits_for: Any, cancelled: asyncio.CancelledError | None = None) -> Driven:
    """Go on with work that has begun and waits, as ``await`` would; itself for ``yield from``.

    Args:
        work: the work.
        waits_for: what it yielded.
        cancelled: cancels the work, and what it waits for, as ``Task.cancel`` does; None lets it wait.
    """
    try:
        if cancelled is None or (asyncio.isfuture(waits_for) and waits_for.cancel()):
            _mark(waits_for, awaited=True)
        else:
            waits_for = work.throw(cancelled)
        while True:
            try:
                sent = yield waits_for
            except BaseException as thrown:  # noqa: BLE001 - whatever it is, it is the work's to handle
                waits_for = work.throw(thrown)
            else:
                waits_for = work.send(sent)
    except StopIteration:
        return


def _mark(waits_for: Any, *, awaited: bool) -> None:
    """A future that is yielded by ``await`` says so, until a task has seen it; nobody else can await it meanwhile."""
    if asyncio.isfuture(waits_for):
        waits_for._asyncio_future_blocking = awaited  # noqa: SLF001
