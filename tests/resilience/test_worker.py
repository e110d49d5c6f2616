"""Work that begins in the place of a worker that waits, in the middle of another task."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager
from contextvars import ContextVar, copy_context
from types import coroutine
from typing import Any

import pytest

from pillion.resilience.begun import DONE, rest
from pillion.resilience.worker import Worker

WHO: ContextVar[str] = ContextVar("WHO", default="nobody")


class Stop(BaseException):
    """What ends a process, such as ``KeyboardInterrupt``."""


@asynccontextmanager
async def waiting() -> AsyncIterator[Worker]:
    """A worker that waits for work again and again."""

    async def life(worker: Worker) -> None:
        while worker.clean:
            await worker.wait()

    worker = Worker(life, copy_context())
    await asyncio.sleep(0)
    yield worker
    worker.task.cancel()
    await asyncio.wait([worker.task])


async def test_work_that_has_nothing_to_wait_for_is_done_at_once() -> None:
    done = list[str]()

    async def work() -> None:
        done.append("work")

    async with waiting() as worker:
        assert worker.begin(work().__await__())
        assert done == ["work"]


async def test_work_is_the_workers_from_its_beginning_to_its_end() -> None:
    tasks = list[asyncio.Task[object] | None]()
    finished = asyncio.Event()

    async def work() -> None:
        tasks.append(asyncio.current_task())
        await asyncio.sleep(0)
        tasks.append(asyncio.current_task())
        await asyncio.sleep(0.001)
        tasks.append(asyncio.current_task())
        finished.set()

    async with waiting() as worker:
        caller = asyncio.current_task()
        assert not worker.begin(work().__await__())
        assert asyncio.current_task() is caller
        await finished.wait()
        assert tasks == [worker.task] * 3


async def test_work_sees_the_context_variables_of_the_worker_alone() -> None:
    seen = list[str]()

    async def work() -> None:
        seen.append(WHO.get())

    async with waiting() as worker:
        WHO.set("caller")
        worker.begin(work().__await__())
    assert seen == ["nobody"]


@pytest.mark.parametrize("waits", [False, True])
async def test_a_worker_whose_context_variables_work_changed_takes_no_more(waits: bool) -> None:
    async def work() -> None:
        WHO.set("work")
        if waits:
            await asyncio.sleep(0)

    async with waiting() as worker:
        assert not worker.begin(work().__await__())
        await asyncio.wait([worker.task])
        assert WHO.get() == "nobody"


async def test_a_timeout_in_work_ends_the_work_and_not_its_caller() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            async with asyncio.timeout(0.001):
                await asyncio.Event().wait()
        except TimeoutError:
            ended.set()

    async with waiting() as worker:
        worker.begin(work().__await__())
        async with asyncio.timeout(10):
            await ended.wait()
        assert not worker.task.done()


async def test_what_work_waits_for_may_be_awaited_by_others_before_its_worker_goes_on() -> None:
    shared = asyncio.get_running_loop().create_future()
    heard = list[str]()

    async def work() -> None:
        heard.append(await shared)

    async def other() -> None:
        heard.append(await shared)

    async with waiting() as worker:
        # The other task is first in line: it awaits the future when the worker has not yet been woken.
        others = asyncio.ensure_future(other())
        worker.begin(work().__await__())
        await asyncio.sleep(0)
        shared.set_result("it")
        await others
        while len(heard) < 2:  # noqa: ASYNC110 - a worker tells nobody
            await asyncio.sleep(0)
    assert heard == ["it", "it"]


async def test_work_hears_of_a_cancellation_that_comes_before_its_worker_goes_on() -> None:
    cancelled = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            worker.task.uncancel()

    async with waiting() as worker:
        worker.begin(work().__await__())
        worker.task.cancel()
        async with asyncio.timeout(10):
            await cancelled.wait()
        await asyncio.sleep(0)
        assert not worker.task.done()  # the work has dealt with it


async def test_a_cancellation_that_comes_early_reaches_what_work_waits_for() -> None:
    async def endless() -> None:
        await asyncio.Event().wait()

    inner = asyncio.ensure_future(endless())
    await asyncio.sleep(0)

    async def work() -> None:
        await inner

    async with waiting() as worker:
        worker.begin(work().__await__())
        worker.task.cancel()
        await asyncio.wait([worker.task, inner], timeout=10)
        assert inner.cancelled()
        assert worker.task.cancelled()


@pytest.mark.parametrize("how", ["returns", "raises", "waits"])
async def test_work_that_cancels_its_own_task_does_not_cancel_its_caller(how: str) -> None:
    async def work() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        if how == "raises":
            raise asyncio.CancelledError
        if how == "waits":
            await asyncio.sleep(0)

    async with waiting() as worker:
        assert not worker.begin(work().__await__())
        await asyncio.wait([worker.task])
        assert worker.task.cancelled()


async def test_what_ends_a_process_reaches_the_caller_and_the_worker_goes_on() -> None:
    done = list[str]()

    async def fatal() -> None:
        raise Stop

    async def work() -> None:
        done.append("work")

    async with waiting() as worker:
        caller = asyncio.current_task()
        with pytest.raises(Stop):
            worker.begin(fatal().__await__())
        assert asyncio.current_task() is caller
        await asyncio.sleep(0)
        assert worker.begin(work().__await__())
    assert done == ["work"]


async def test_work_may_begin_within_work() -> None:
    tasks = list[asyncio.Task[object] | None]()

    async def inner() -> None:
        tasks.append(asyncio.current_task())

    async with waiting() as first, waiting() as second:

        async def outer() -> None:
            second.begin(inner().__await__())
            tasks.append(asyncio.current_task())

        assert first.begin(outer().__await__())
        assert tasks == [second.task, first.task]


@coroutine
def run(work: Callable[[], Awaitable[None]]) -> Generator[Any, Any, None]:
    """Work run by hand until it waits, and then to its end."""
    begun = work().__await__()
    waits_for = next(begun, DONE)
    if waits_for is not DONE:
        yield from rest(begun, waits_for)


async def test_the_rest_of_work_is_sent_what_it_waited_for() -> None:
    found = list[int]()
    later: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(later.set_result, 7)

    async def work() -> None:
        found.append(await later)
        await asyncio.sleep(0)
        found.append(8)

    await run(work)
    assert found == [7, 8]


async def test_the_rest_of_work_raises_what_the_work_raises() -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await run(work)
