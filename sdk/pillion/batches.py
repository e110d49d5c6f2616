"""Work that is cheaper in company: what is asked for while a batch is under way is done together with the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class _Settled(asyncio.Future[R]):
    """Whoever awaits it and is cancelled meanwhile learns that when it is done, not before."""

    def cancel(self, msg: object = None) -> bool:  # noqa: ARG002 - asyncio's name
        return False

    def give_up(self) -> None:
        """Nobody goes on with the work."""
        super().cancel()


class _Job(NamedTuple, Generic[T, R]):
    item: T
    done: asyncio.Future[R]


class Batches(Generic[T, R]):
    """Does work in batches, one after another. When idle it begins at once, so batching adds no latency.

    Work that was asked for is done, also when whoever asked is cancelled meanwhile.

    Args:
        work: does it for several items; one result for each, or the exception that whoever asked is to get. What it
            raises itself, all get.
        largest: number of items in a batch.
    """

    def __init__(self, work: Callable[[Sequence[T]], Awaitable[Sequence[R | Exception]]], largest: int) -> None:
        self._work = work
        self._largest = largest
        self._jobs: list[_Job[T, R]] = []
        self._in_hand: list[_Job[T, R]] = []
        self._worker: asyncio.Task[None] | None = None

    def put(self, item: T, *, to_its_end: bool = False) -> asyncio.Future[R]:
        """Have the work done for an item; the future gets what came of it.

        Args:
            item: of the work.
            to_its_end: a task that awaits the future is cancelled only when the work is done.
        """
        loop = asyncio.get_running_loop()
        job: _Job[T, R] = _Job(item, _Settled(loop=loop) if to_its_end else loop.create_future())
        self._jobs.append(job)
        if self._worker is None:
            # A task of its own: whoever asked first may be cancelled, and the others must not suffer from that.
            self._worker = loop.create_task(self._run())
        return job.done

    @property
    def idle(self) -> bool:
        """Whether nothing is asked for or under way."""
        return self._worker is None

    async def close(self) -> None:
        """Wait until all that was asked for by now is done."""
        if asked := self._open():
            await asyncio.wait(asked)
        if self._worker is not None and not self._open():  # it ends in its next turn
            await asyncio.wait([self._worker])

    def _open(self) -> list[asyncio.Future[R]]:
        return [job.done for job in (*self._in_hand, *self._jobs) if not job.done.done()]

    async def _run(self) -> None:
        try:
            while self._jobs:
                self._in_hand, self._jobs = self._jobs[: self._largest], self._jobs[self._largest :]
                _settle(self._in_hand, await self._outcomes([job.item for job in self._in_hand]))
        except BaseException:
            # The loop ends; nobody must wait for what nobody does.
            for job in (*self._in_hand, *self._jobs):
                (job.done.give_up if isinstance(job.done, _Settled) else job.done.cancel)()
            self._jobs = []
            raise
        finally:
            self._in_hand = []
            self._worker = None

    async def _outcomes(self, items: Sequence[T]) -> Sequence[R | Exception]:
        try:
            return await self._work(items)
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait for the work get it
            return [error] * len(items)


def _settle(batch: Sequence[_Job[T, R]], outcomes: Sequence[R | Exception]) -> None:
    for job, outcome in zip(batch, outcomes, strict=True):
        if job.done.done():
            continue
        if isinstance(outcome, Exception):
            job.done.set_exception(outcome)
            job.done.exception()  # who was cancelled meanwhile does not look; that is no fault to report
        else:
            job.done.set_result(outcome)
