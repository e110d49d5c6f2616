"""How a handler is called: in a thread of its own when it is not ``async``, and what goes round it."""

from __future__ import annotations

import functools
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from pillion import Context, Contract, Service
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


async def test_a_success_event_keeps_the_key_that_it_declares() -> None:
    contract, keys = Contract("shop"), list[str | None]()
    placed = contract.event("placed", str, key=lambda order: f"own-{order}")
    told = contract.event("told", str)
    place = contract.command("place", str, str, emits_result=placed)
    tell = contract.command("tell", str, str, emits_result=told)
    service = Service(contract)

    async def same(order: str) -> str:
        return order

    async def hear(ctx: Context, _: str) -> None:
        keys.append(ctx.message.subject)

    service.handles(place)(same)
    service.handles(tell)(same)
    service.on(placed, name="hear_placed")(hear)
    service.on(told, name="hear_told")(hear)
    async with hosted(service) as host:
        for command in (place, tell):
            await host.call(command, "1", key="of the caller")
            await host.until_quiet()
    assert keys == ["own-1", "of the caller"]
