"""What a handler held back leaves when it has succeeded, and only then; what leaves is not left half done."""

from __future__ import annotations

import asyncio
import math

import pytest

from pillion import Context, Contract, Service
from pillion.bridges.memory.bridge import MemoryBridge
from pillion.errors import ConfigurationError, InternalError
from pillion.pipeline.leaving import uninterrupted
from pillion.runtime.host import Host
from pillion.runtime.stores import Stores
from pillion.testing.clock import FakeClock
from pillion.testing.harness import hosted


class TestUninterrupted:
    async def test_the_work_ends_though_its_task_is_cancelled(self) -> None:
        begun, gate, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def work() -> None:
            begun.set()
            await gate.wait()
            done.set()

        task = asyncio.ensure_future(uninterrupted(work()))
        await begun.wait()
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
        gate.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert done.is_set()

    async def test_its_result_and_its_error_come_back(self) -> None:
        async def well() -> int:
            return 1

        async def badly() -> int:
            raise KeyError("x")

        assert await uninterrupted(well()) == 1
        with pytest.raises(KeyError):
            await uninterrupted(badly())

    async def test_an_error_of_work_whose_task_was_cancelled_is_not_lost_in_the_log(self) -> None:
        begun, gate = asyncio.Event(), asyncio.Event()

        async def work() -> None:
            begun.set()
            await gate.wait()
            raise KeyError("x")

        task = asyncio.ensure_future(uninterrupted(work()))
        await begun.wait()
        task.cancel()
        gate.set()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.parametrize(
    "options", [{name: value} for name in ("ttl", "delay") for value in (0, -1, math.inf, math.nan)]
)
async def test_times_that_are_none_are_refused(options: dict[str, float]) -> None:
    contract = Contract("source")
    told, service = contract.event("told", int), Service(contract)

    @service.command(emits=[told])
    async def tell(ctx: Context, number: int) -> None:
        with pytest.raises(ValueError, match="seconds above 0"):
            ctx.emit(told, number, **options)  # type: ignore[arg-type]

    async with hosted(service) as host:
        await host.call(tell, 1)


@pytest.mark.parametrize("sent", [True, False], ids=["send", "emit"])
async def test_without_a_store_a_delay_is_refused_where_it_is_asked_for(sent: bool) -> None:
    contract, refused = Contract("source"), list[str]()
    told, work, service = contract.event("told", int), contract.command("work", int, int), Service(contract)

    @service.handles(work, emits=[told], calls=[work])
    async def tell(ctx: Context, number: int) -> int:
        try:
            ctx.send(work, number, delay=1) if sent else ctx.emit(told, number, delay=1)
        except ConfigurationError as error:
            refused.append(str(error))
        return number

    async with Host(service, bridge=MemoryBridge(), stores=Stores(lambda _: None)) as host:
        assert await host.call(work, 1) == 1
    assert "source.v1.work: delay= keeps a message in the service's state store" in refused[0]


async def test_a_delayed_message_leaves_when_its_time_has_come() -> None:
    contract, clock = Contract("source"), FakeClock()
    told, service, heard = contract.event("told", int), Service(contract), list[float]()

    @service.command(emits=[told])
    async def tell(ctx: Context, number: int) -> None:
        ctx.emit(told, number, delay=3600)

    @service.on(told)
    async def hear(_: int) -> None:
        heard.append(clock.now())

    async with hosted(service, clock=clock) as host:
        began = clock.now()
        await host.call(tell, 1)
        await host.until_quiet()
    assert [round(when - began) for when in heard] == [3600]


async def test_a_delayed_message_of_a_handler_that_fails_never_leaves() -> None:
    contract, clock = Contract("source"), FakeClock()
    told, service, heard = contract.event("told", int), Service(contract), list[int]()

    @service.command(emits=[told])
    async def tell(ctx: Context, number: int) -> None:
        ctx.emit(told, number, delay=3600)
        raise KeyError(number)

    @service.on(told)
    async def hear(number: int) -> None:
        heard.append(number)

    async with hosted(service, clock=clock) as host:
        with pytest.raises(InternalError):
            await host.call(tell, 1)
        await host.until_quiet()
    assert heard == []
