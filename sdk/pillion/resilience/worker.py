"""A task that does one job after another. While it waits for the next, one may begin in its place.

That is what the eager tasks of Python 3.12 are for, with a task that is there already: who asks for work that has
nothing to wait for gets it without a turn of the event loop.
"""

from __future__ import annotations

import asyncio

# For "third-party task implementations": https://docs.python.org/3/library/asyncio-extending.html
from asyncio import _enter_task, _leave_task
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from types import coroutine
from typing import Any

from pillion.resilience.begun import DONE, Driven, put_down, rest


class Worker:
    """One task of a crew.

    Args:
        life: what the task does.
        context: the context variables it begins with, and must have when it takes a job.

    Attributes:
        task: the task itself.
        context: its context variables.
    """

    def __init__(self, life: Callable[[Worker], Coroutine[Any, Any, None]], context: Context) -> None:
        self.context, self._given = context.copy(), context
        self._loop = asyncio.get_running_loop()
        self._woken: asyncio.Future[None] | None = None
        self._begun: tuple[Driven, Any] | None = None
        self.task = self._loop.create_task(life(self), context=self.context)

    @property
    def clean(self) -> bool:
        """Whether no job has changed its context variables."""
        return self.context == self._given

    def wake(self) -> None:
        """Let it go on."""
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)

    @coroutine
    def wait(self) -> Generator[Any, Any, None]:
        """Wait until woken, and finish the job that was begun meanwhile."""
        self._woken = self._loop.create_future()
        cancelled = None
        try:
            yield from self._woken
        except asyncio.CancelledError as error:
            if self._begun is None:
                raise
            cancelled = error
        if self._begun is not None:
            (work, waits_for), self._begun = self._begun, None
            yield from rest(work, waits_for, cancelled)

    def begin(self, work: Driven) -> bool:
        """Run work until it has to wait for something, as if the task ran it; the task goes on with it then.

        Args:
            work: must not have begun.

        Returns:
            Whether it still waits, with nothing to go on with.
        """
        loop, task = self._loop, self.task
        caller = asyncio.current_task(loop)
        if caller is not None:
            _leave_task(loop, caller)
        _enter_task(loop, task)
        try:
            waits_for = self.context.run(next, work, DONE)
        except asyncio.CancelledError:
            waits_for = DONE  # it was the task that was cancelled, not whoever asks
        except BaseException:
            self.wake()
            raise
        finally:
            _leave_task(loop, task)
            if caller is not None:
                _enter_task(loop, caller)
        if waits_for is not DONE:
            put_down(waits_for)
            self._begun = (work, waits_for)
        elif self.context == self._given and self._woken is not None and not self._woken.done():
            return True
        self.wake()
        return False
