"""A crew of tasks handles the jobs of a queue."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

from pillion.resilience.workers import Workers

WHO: ContextVar[str] = ContextVar("WHO", default="nobody")


async def finished(count: int, done: list[int]) -> None:
    async with asyncio.timeout(2):
        while len(done) < count:  # noqa: ASYNC110 - workers tell nobody
            await asyncio.sleep(0)


async def test_jobs_are_begun_in_order() -> None:
    done: list[int] = []

    async def handle(job: int) -> None:
        done.append(job)

    workers = Workers(handle, 3)
    for job in range(20):
        workers.put(job)
    await finished(20, done)
    assert done == list(range(20))
    await workers.close()


async def test_no_more_than_the_limit_are_in_hand() -> None:
    begun: list[int] = []
    gate = asyncio.Event()
    done: list[int] = []

    async def handle(job: int) -> None:
        begun.append(job)
        await gate.wait()
        done.append(job)

    workers = Workers(handle, 3)
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

    workers = Workers(handle, 1)
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

    workers = Workers(handle, 2)
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

    workers = Workers(handle, 2)
    workers.put(1)
    await finished(1, begun)
    await workers.close()
    assert cancelled == [1]
