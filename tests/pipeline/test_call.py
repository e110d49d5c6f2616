"""How a handler is called: in a thread of its own when it is not ``async``, and what goes round it."""

from __future__ import annotations

import functools
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from pillion import Contract, Service
from pillion.testing.harness import hosted

TOLD = Contract("source").event("told", int)


async def test_a_slow_plain_handler_holds_up_no_other() -> None:
    service, gate, begun = Service("sink"), threading.Event(), threading.Semaphore(0)

    @service.on(TOLD)
    def slow(_: int) -> None:
        begun.release()
        gate.wait()

    @service.command
    def quick(number: int) -> int:
        return number

    async with hosted(service) as host:
        try:
            for number in range(30):
                await host.emit(TOLD, number)
            assert await host.call(quick, 1, timeout=30) == 1
        finally:
            gate.set()
        await host.until_quiet()
    assert all(begun.acquire(blocking=False) for _ in range(30))


async def test_a_called_and_a_sent_command_share_their_threads() -> None:
    service, names = Service("sink"), set[str]()

    @service.command(concurrency=1)
    def work(number: int) -> int:
        names.add(threading.current_thread().name)
        return number

    async with hosted(service) as host:
        await host.call(work, 1)
        await host.send(work, 2)
        await host.until_quiet()
    assert names == {"sink/sink.v1.work_0"}


def logged(function: Callable[[int], Awaitable[None]]) -> Any:
    """A decorator as it is often written: not ``async`` itself."""

    @functools.wraps(function)
    def wrapper(number: int) -> Awaitable[None]:
        return function(number)

    return wrapper


async def test_a_function_around_an_async_one_is_handled_to_its_end() -> None:
    service, heard = Service("sink"), list[int]()

    @logged
    async def hear(number: int) -> None:
        heard.append(number)

    service.on(TOLD)(hear)
    async with hosted(service) as host:
        await host.emit(TOLD, 7)
        await host.until_quiet()
    assert heard == [7]
