"""A crew of tasks that handle the jobs of one queue, at most so many at once.

A job costs no task of its own: a worker takes the next job when it is done with one, and another worker is woken only
while jobs wait. A worker whose context variables a handler changed is replaced, so nothing leaks to the next job.
A job that somebody waits for may begin at once, in the place of a worker that is idle.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Generator, Iterable, Sequence
from contextlib import closing
from contextvars import copy_context
from typing import Generic, TypeAlias, TypeVar

from pillion.resilience.worker import Worker

J = TypeVar("J")
# Does jobs one after another, as they come out of the iterable; it must not raise.
Handling: TypeAlias = Callable[[Iterable[J]], Awaitable[None]]


class Workers(Generic[J]):
    """Handles jobs in the order they were put, at most ``limit`` at once.

    Attributes:
        jobs: those that no worker has begun.
        worker: the task that begins a job; true for the job until it awaits something.

    Args:
        handle: does the jobs of one worker; see ``each``.
        limit: how many jobs are in hand at once, at most; may be changed.
    """

    def __init__(self, handle: Handling[J], limit: int) -> None:
        self._handle = handle
        self.limit = limit
        self.jobs: deque[J] = deque()
        self.worker: asyncio.Task[None] | None = None
        self._context = copy_context()
        self._idle: list[Worker] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._waking = False

    @property
    def waiting(self) -> int:
        """How many jobs nobody has begun."""
        return len(self.jobs)

    def prepare(self) -> None:
        """Have a worker ready, for the first job to be begun at once."""
        if not self._tasks:
            self._wake()

    def put(self, job: J) -> None:
        """Add a job to the end of the queue."""
        self.jobs.append(job)
        if not self._waking:
            self._wake()

    def put_all(self, jobs: Sequence[J]) -> None:
        """Add jobs to the end of the queue, in this order."""
        self.jobs.extend(jobs)
        if jobs and not self._waking:
            self._wake()

    def at_once(self, job: J) -> bool:
        """Begin a job now, if a worker is idle and no other job waits; whether it was begun.

        A job that has nothing to wait for is done when this returns; with any other a worker goes on.
        """
        if self.jobs or not self._idle:
            return False
        worker = self._idle.pop()
        self.worker = worker.task
        if worker.begin(self._handle((job,)).__await__()):
            self._idle.append(worker)
        return True

    async def close(self) -> None:
        """Cancel all workers, whatever they are doing."""
        self._idle.clear()
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.jobs.clear()

    def _wake(self) -> None:
        if self._idle:
            self._waking = True
            self._idle.pop().wake()
        elif len(self._tasks) < self.limit:
            self._waking = True
            # Not in the context of whoever put the job: its variables are none of this job's business.
            worker = Worker(self._work, self._context)
            self._tasks.add(worker.task)
            worker.task.add_done_callback(self._left)

    def _left(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self.jobs and not self._waking and not task.cancelled():
            self._wake()

    async def _work(self, worker: Worker) -> None:
        while worker.clean:
            self._waking = False
            with closing(self._taken(worker)) as jobs:
                await self._handle(jobs)
            if worker.clean:
                self._idle.append(worker)
                await worker.wait()

    def _taken(self, worker: Worker) -> Generator[J, None, None]:
        """The jobs of one worker, while there are any and its context variables are those that it began with."""
        jobs, task, context, given = self.jobs, worker.task, worker.context, self._context
        while jobs:
            job = jobs.popleft()
            if jobs and not self._waking:
                self._wake()
            self.worker = task
            yield job
            if context != given:  # as ``worker.clean``, without a call for each job
                return


class OrderedWorkers(Workers[J]):
    """Workers that handle the jobs of one key one after another, in the order they were put.

    Args:
        handle, limit: as for ``Workers``.
        key: of a job; jobs without one have no order.
    """

    def __init__(self, handle: Handling[J], limit: int, key: Callable[[J], str | None]) -> None:
        super().__init__(handle, limit)
        self._key = key
        # The jobs that wait for one of their key, by key; a key is here while one of its jobs is queued or in hand.
        self._lines: dict[str, deque[J]] = {}

    @property
    def waiting(self) -> int:
        """How many jobs nobody has begun."""
        return len(self.jobs) + sum(map(len, self._lines.values()))

    def put(self, job: J) -> None:
        """Add a job to the end of its key's line."""
        key = self._key(job)
        if key is None:
            super().put(job)
        elif key in self._lines:
            self._lines[key].append(job)
        else:
            self._lines[key] = deque()
            super().put(job)

    def put_all(self, jobs: Sequence[J]) -> None:
        """Add each job to the end of its key's line."""
        for job in jobs:
            self.put(job)

    def at_once(self, job: J) -> bool:  # noqa: ARG002 - as in the other workers
        """Never: a job waits for its key's turn."""
        return False

    async def close(self) -> None:
        """Cancel all workers, whatever they are doing."""
        self._lines.clear()
        await super().close()

    def _taken(self, worker: Worker) -> Generator[J, None, None]:
        for job in super()._taken(worker):
            try:
                yield job
            finally:
                self._next(self._key(job))

    def _next(self, key: str | None) -> None:
        line = self._lines.get(key) if key is not None else None
        if line:
            super().put(line.popleft())
        elif key is not None:
            self._lines.pop(key, None)


def each(handle: Callable[[J], Awaitable[None]]) -> Handling[J]:
    """A coroutine for each job, where the work on a job is more than that costs."""

    async def handling(jobs: Iterable[J]) -> None:
        for job in jobs:
            await handle(job)

    return handling


def crew_of(handle: Handling[J], limit: int, key: Callable[[J], str | None] | None) -> Workers[J]:
    """Workers for these jobs, ordered if they have a key."""
    return Workers(handle, limit) if key is None else OrderedWorkers(handle, limit, key)
