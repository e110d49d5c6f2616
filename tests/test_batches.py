"""What is asked for while a batch is under way goes with the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from pillion.batches import Batches


class Work:
    """Doubles numbers when it is let; refuses 13, and does nothing at all with 0."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.begun = asyncio.Event()
        self.let = asyncio.Event()

    async def __call__(self, items: Sequence[int]) -> list[int | Exception]:
        self.batches.append(list(items))
        self.begun.set()
        await self.let.wait()
        if 0 in items:
            raise ZeroDivisionError
        return [ValueError("unlucky") if item == 13 else 2 * item for item in items]


@pytest.fixture
def work() -> Work:
    return Work()


async def test_what_comes_meanwhile_goes_together(work: Work) -> None:
    batches = Batches(work, largest=2)
    first = batches.put(1)
    await work.begun.wait()
    others = [batches.put(number) for number in (2, 3, 4)]
    work.let.set()
    assert await asyncio.gather(first, *others) == [2, 4, 6, 8]
    assert work.batches == [[1], [2, 3], [4]]


async def test_what_is_asked_in_one_turn_goes_together(work: Work) -> None:
    batches = Batches(work, largest=10)
    work.let.set()
    assert await asyncio.gather(*map(batches.put, [1, 2])) == [2, 4]
    assert work.batches == [[1, 2]]


async def test_one_failure_is_its_own(work: Work) -> None:
    batches = Batches(work, largest=10)
    work.let.set()
    good, bad = batches.put(1), batches.put(13)
    assert await good == 2
    with pytest.raises(ValueError, match="unlucky"):
        await bad


async def test_a_failure_of_the_work_is_everybodys_and_the_next_batch_is_done(work: Work) -> None:
    batches = Batches(work, largest=2)
    work.let.set()
    failed, also, done = batches.put(0), batches.put(1), batches.put(2)
    for future in (failed, also):
        with pytest.raises(ZeroDivisionError):
            await future
    assert await done == 4


async def test_who_gives_up_harms_nobody(work: Work) -> None:
    batches = Batches(work, largest=2)
    gone, patient = batches.put(1), batches.put(2)
    gone.cancel()
    work.let.set()
    assert await patient == 4
    assert work.batches == [[1, 2]]


async def test_who_waits_to_the_end_is_cancelled_when_it_is_done(work: Work) -> None:
    batches = Batches(work, largest=1)

    async def ask(number: int) -> int:
        return await batches.put(number, to_its_end=True)

    asked = [asyncio.create_task(ask(number)) for number in (1, 13)]
    await work.begun.wait()
    for task in asked:
        task.cancel()
    await asyncio.sleep(0)
    assert not any(task.done() for task in asked)
    work.let.set()
    await asyncio.wait(asked)
    assert all(task.cancelled() for task in asked)
    assert work.batches == [[1], [13]]


async def test_close_waits_for_what_was_asked(work: Work) -> None:
    batches = Batches(work, largest=1)
    asked = [batches.put(1), batches.put(2)]
    closing = asyncio.create_task(batches.close())
    work.let.set()
    await closing
    assert [future.result() for future in asked] == [2, 4]


async def test_it_begins_again_after_it_was_idle(work: Work) -> None:
    batches = Batches(work, largest=1)
    work.let.set()
    assert await batches.put(1) == 2
    await batches.close()
    assert await batches.put(2) == 4


async def test_close_does_not_wait_for_what_is_asked_later() -> None:
    turns = asyncio.Semaphore(0)

    async def work(items: Sequence[int]) -> Sequence[int]:
        await turns.acquire()
        return items

    batches = Batches(work, largest=1)
    first = batches.put(1)
    closing = asyncio.create_task(batches.close())
    await asyncio.sleep(0)
    later = batches.put(2)
    turns.release()
    await closing
    assert (first.done(), later.done()) == (True, False)
    turns.release()
    assert await later == 2


async def test_when_its_loop_ends_nobody_waits_for_ever(work: Work) -> None:
    batches = Batches(work, largest=1)

    async def ask(number: int) -> int:
        return await batches.put(number, to_its_end=True)

    asked = [asyncio.create_task(ask(number)) for number in (1, 2)]
    await work.begun.wait()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    await asyncio.wait(asked)
    assert all(task.cancelled() for task in asked)
