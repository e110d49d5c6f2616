"""A crew_of of tasks handles the jobs of a queue."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextvars import ContextVar

from pillion.resilience.workers import Handling, OrderedWorkers, Workers, crew_of, each

WHO: ContextVar[str] = ContextVar("WHO", default="nobody")


def noting(done: list[int]) -> Handling[int]:
    """Does nothing with a job but to note it."""

    async def handle(job: int) -> None:
        done.append(job)

    return each(handle)


async def finished(count: int, done: list[int]) -> None:
    async with asyncio.timeout(30):
        while len(done) < count:  # noqa: ASYNC110 - workers tell nobody
            await asyncio.sleep(0)


async def test_jobs_are_begun_in_order() -> None:
    done: list[int] = []

    workers = Workers(noting(done), 3)
    for job in range(20):
        workers.put(job)
    await finished(20, done)
    assert done == list(range(20))
    await workers.close()


async def test_jobs_that_come_together_are_begun_in_order() -> None:
    done: list[int] = []

    workers = Workers(noting(done), 3)
    workers.put_all(range(20))
    workers.put_all(())
    await finished(20, done)
    assert done == list(range(20))
    await workers.close()


async def test_one_coroutine_may_do_many_jobs() -> None:
    begun: list[str] = []
    done: list[int] = []

    async def handle(jobs: Iterable[int]) -> None:
        begun.append("worker")
        done.extend(jobs)

    workers = Workers(handle, 3)
    workers.put_all(range(20))
    await finished(20, done)
    assert begun[0] == "worker"
    assert len(begun) <= 3
    await workers.close()


async def test_no_more_than_the_limit_are_in_hand() -> None:
    begun: list[int] = []
    gate = asyncio.Event()
    done: list[int] = []

    async def handle(job: int) -> None:
        begun.append(job)
        await gate.wait()
        done.append(job)

    workers = Workers(each(handle), 3)
    for job in range(10):
        workers.put(job)
    await finished(3, begun)
    for _ in range(10):
        await asyncio.sleep(0)
    assert begun == [0, 1, 2]
    gate.set()
    await finished(10, done)
    await workers.close()


async def test_a_job_put_by_a_job_is_handled() -> None:
    done: list[int] = []

    async def handle(job: int) -> None:
        done.append(job)
        if job < 5:
            workers.put(job + 1)

    workers = Workers(each(handle), 1)
    workers.put(0)
    await finished(6, done)
    await workers.close()


async def test_context_variables_of_one_job_do_not_reach_the_next() -> None:
    seen: list[str] = []
    done: list[int] = []

    async def handle(job: int) -> None:
        seen.append(WHO.get())
        WHO.set(f"job {job}")
        await asyncio.sleep(0)
        done.append(job)

    workers = Workers(each(handle), 2)
    for job in range(10):
        workers.put(job)
    await finished(10, done)
    assert seen == ["nobody"] * 10
    await workers.close()


async def test_close_cancels_what_is_in_hand() -> None:
    begun: list[int] = []
    cancelled: list[int] = []

    async def handle(job: int) -> None:
        begun.append(job)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(job)
            raise

    workers = Workers(each(handle), 2)
    workers.put(1)
    await finished(1, begun)
    await workers.close()
    assert cancelled == [1]


def key_of(job: int) -> str | None:
    """Tens are keys; below ten there is none."""
    return str(job // 10) if job >= 10 else None


class Gated:
    """Jobs that end when the test says so."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.done: list[int] = []
        self.gates: dict[int, asyncio.Event] = {}

    async def handle(self, job: int) -> None:
        self.begun.append(job)
        await self.gates.setdefault(job, asyncio.Event()).wait()
        self.done.append(job)

    def finish(self, job: int) -> None:
        self.gates.setdefault(job, asyncio.Event()).set()


async def test_jobs_of_one_key_are_begun_one_after_another() -> None:
    gated = Gated()
    workers = OrderedWorkers(each(gated.handle), 10, key_of)
    for job in (10, 11, 20, 1, 12, 2):
        workers.put(job)
    await finished(4, gated.begun)
    assert (gated.begun, workers.waiting) == ([10, 20, 1, 2], 2)
    gated.finish(10)
    await finished(5, gated.begun)
    assert gated.begun[4] == 11
    gated.finish(11)
    await finished(6, gated.begun)
    assert gated.begun[5] == 12
    await workers.close()


async def test_jobs_of_one_key_that_come_together_are_begun_one_after_another() -> None:
    gated = Gated()
    workers = OrderedWorkers(each(gated.handle), 10, key_of)
    workers.put_all((10, 11, 20))
    await finished(2, gated.begun)
    assert (gated.begun, workers.waiting) == ([10, 20], 1)
    gated.finish(10)
    await finished(3, gated.begun)
    assert gated.begun[2] == 11
    await workers.close()


async def test_a_job_that_is_cut_off_lets_the_next_of_its_key_begin() -> None:
    begun: list[int] = []

    async def handle(job: int) -> None:
        begun.append(job)
        if job == 10:
            raise asyncio.CancelledError

    workers = OrderedWorkers(each(handle), 2, key_of)
    workers.put_all((10, 11))
    await finished(2, begun)
    await workers.close()


async def test_a_key_is_forgotten_with_its_last_job() -> None:
    done: list[int] = []

    workers = OrderedWorkers(noting(done), 3, key_of)
    for job in range(100, 200):
        workers.put(job)
    await finished(100, done)
    for _ in range(5):
        await asyncio.sleep(0)
    assert (workers.waiting, workers._lines) == (0, {})
    await workers.close()


async def test_close_forgets_the_jobs_that_wait_for_their_key() -> None:
    gated = Gated()
    workers = OrderedWorkers(each(gated.handle), 3, key_of)
    for job in (10, 11, 12):
        workers.put(job)
    await finished(1, gated.begun)
    await workers.close()
    assert (gated.begun, workers.waiting) == ([10], 0)


async def test_only_jobs_with_a_key_are_ordered() -> None:
    gated = Gated()
    assert type(crew_of(each(gated.handle), 1, None)) is Workers
    assert type(crew_of(each(gated.handle), 1, key_of)) is OrderedWorkers


async def idle(workers: Workers[int]) -> None:
    """Let a worker be ready."""
    workers.prepare()
    await asyncio.sleep(0)


async def test_a_job_is_done_at_once_by_an_idle_worker() -> None:
    done: list[int] = []

    workers = Workers(noting(done), 1)
    await idle(workers)
    assert [workers.at_once(job) for job in range(3)] == [True] * 3
    assert done == [0, 1, 2]
    await workers.close()


async def test_without_an_idle_worker_nothing_is_begun_at_once() -> None:
    gated = Gated()
    workers = Workers(each(gated.handle), 1)
    assert not workers.at_once(0)
    await idle(workers)
    assert workers.at_once(1)
    assert not workers.at_once(2)
    assert gated.begun == [1]
    gated.finish(1)
    await finished(1, gated.done)
    await workers.close()


async def test_no_job_is_begun_before_those_that_wait() -> None:
    done: list[int] = []

    workers = Workers(noting(done), 2)
    await idle(workers)
    workers.put_all((1, 2))
    assert not workers.at_once(3)
    workers.put(3)
    await finished(3, done)
    assert done == [1, 2, 3]
    assert workers.at_once(4)
    await workers.close()


async def test_no_more_than_the_limit_are_in_hand_when_they_begin_at_once() -> None:
    gated = Gated()
    workers = Workers(each(gated.handle), 2)
    for job in range(4):
        if not workers.at_once(job):
            workers.put(job)
        await asyncio.sleep(0)
    assert gated.begun == [0, 1]
    for job in range(4):
        gated.finish(job)
    await finished(4, gated.done)
    await workers.close()


async def test_context_variables_of_a_job_begun_at_once_do_not_reach_the_next() -> None:
    seen: list[str] = []
    done: list[int] = []

    async def handle(job: int) -> None:
        seen.append(WHO.get())
        WHO.set(f"job {job}")
        done.append(job)

    workers = Workers(each(handle), 2)
    for job in range(5):
        await idle(workers)
        if not workers.at_once(job):
            workers.put(job)
    await finished(5, done)
    assert seen == ["nobody"] * 5
    assert WHO.get() == "nobody"
    await workers.close()


async def test_close_cancels_what_was_begun_at_once() -> None:
    cancelled: list[int] = []

    async def handle(job: int) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(job)
            raise

    workers = Workers(each(handle), 1)
    await idle(workers)
    assert workers.at_once(1)
    await workers.close()
    assert cancelled == [1]


async def test_jobs_with_an_order_are_not_begun_at_once() -> None:
    gated = Gated()
    workers = OrderedWorkers(each(gated.handle), 2, key_of)
    await idle(workers)
    assert not workers.at_once(10)
    assert gated.begun == []
    await workers.close()
