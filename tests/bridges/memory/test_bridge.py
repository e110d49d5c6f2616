"""What only the memory bridge does: bounded queues, fair turns, and memory that stays flat."""

from __future__ import annotations

import asyncio
import gc
import time
import tracemalloc

import pytest

from pillion import BridgeError, Command, Context, Contract, DeadlineExceeded, Host, Service
from pillion.bridges.memory.bridge import MemoryBridge
from pillion.bridges.memory.broker import MemoryBroker
from pillion.message import Message
from pillion.runtime.settings import HostSettings
from pillion.runtime.stores import Stores

NO_STORES = Stores(lambda _: None)
source = Contract("source")
told = source.event("told", int)


def host(service: Service, bridge: MemoryBridge, drain_seconds: float = 5) -> Host:
    return Host(service, bridge=bridge, stores=NO_STORES, settings=HostSettings(drain_seconds=drain_seconds))


async def test_a_sender_waits_while_a_queue_is_full() -> None:
    gate, heard = asyncio.Event(), list[int]()
    service = Service("slow")

    @service.on(told, concurrency=1)
    async def hear(number: int) -> None:
        await gate.wait()
        heard.append(number)

    async with host(service, MemoryBridge(MemoryBroker(capacity=2))) as app:
        sent = list[int]()

        async def send() -> None:
            for number in range(10):
                await app.emit(told, number)
                sent.append(number)

        sending = asyncio.ensure_future(send())
        while len(sent) < 3:  # noqa: ASYNC110 - a sender tells nobody
            await asyncio.sleep(0)
        await asyncio.wait([sending], timeout=0.05)
        assert len(sent) == 3  # one in hand, two waiting
        gate.set()
        await sending
    assert heard == list(range(10))


async def test_a_sender_that_waited_too_long_is_told() -> None:
    service = Service("stuck")

    @service.on(told, concurrency=1, timeout=None)
    async def hear(number: int) -> None:
        await asyncio.Event().wait()

    async with host(service, MemoryBridge(MemoryBroker(capacity=1, patience=0.02)), drain_seconds=0) as app:
        # One in hand and one waiting; the worker takes the first as soon as this test waits for anything.
        await app.emit(told, 1)
        await asyncio.sleep(0)
        await app.emit(told, 2)
        with pytest.raises(BridgeError, match=r"stuck\.v1\.hear: its queue is full and stayed full for 0\.02 s"):
            await app.emit(told, 3)


async def test_hosts_of_one_service_take_turns() -> None:
    broker, heard = MemoryBroker(), list[str]()

    def build(instance: str) -> Service:
        service = Service("pair")

        @service.on(told)
        async def hear(number: int) -> None:
            heard.append(instance)

        return service

    async with host(build("a"), MemoryBridge(broker)) as app, host(build("b"), MemoryBridge(broker)):
        for number in range(10):
            await app.emit(told, number)
        await broker.quiet()
        assert (heard.count("a"), heard.count("b")) == (5, 5)


async def test_a_key_stays_with_one_host() -> None:
    broker, heard = MemoryBroker(), set[tuple[str, str]]()
    numbered = source.event("numbered", str, key=lambda text: text)

    def build(instance: str) -> Service:
        service = Service("pair")

        @service.on(numbered, key="subject")
        async def hear(text: str) -> None:
            heard.add((text, instance))

        return service

    async with host(build("a"), MemoryBridge(broker)) as app, host(build("b"), MemoryBridge(broker)):
        for number in range(40):
            await app.emit(numbered, str(number % 10))
        await broker.quiet()
    assert len(heard) == 10
    assert {instance for _, instance in heard} == {"a", "b"}


async def test_a_host_that_was_cut_off_leaves_a_quiet_broker() -> None:
    broker, service = MemoryBroker(), Service("stuck")
    begun = asyncio.Event()

    @service.on(told, concurrency=1, timeout=None)
    async def hear(number: int) -> None:
        begun.set()
        await asyncio.Event().wait()

    app = host(service, MemoryBridge(broker), drain_seconds=0.01)
    await app.start()
    for number in range(3):
        await app.emit(told, number)
    await begun.wait()
    assert await app.stop() == 3
    async with asyncio.timeout(30):
        await broker.quiet()


async def test_nothing_is_recorded_unless_somebody_watches() -> None:
    seen: list[tuple[str, Message]] = []
    service = Service("echo")

    @service.command
    async def echo(number: int) -> int:
        return number

    async with host(service, MemoryBridge(watch=lambda topic, message: seen.append((topic, message)))) as app:
        await app.call(echo, 1)
    assert [topic for topic, _ in seen] == ["echo.v1.commands", "reply"]


@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_memory_stays_flat_over_a_million_messages() -> None:
    service, broker, heard = Service("counter"), MemoryBroker(), [0]

    @service.on(told)
    async def count(number: int) -> None:
        heard[0] += 1

    @service.command
    async def echo(number: int) -> int:
        return number

    async def work(app: Host, events: int) -> None:
        for number in range(events):
            await app.emit(told, number)
            if number % 100 == 0:
                await app.call(echo, number)
        await broker.quiet()

    async with host(service, MemoryBridge(broker)) as app:
        await work(app, 2_000)
        tracemalloc.start()
        before, objects = _memory()
        await work(app, 2_000)
        tracemalloc.stop()
        await work(app, 994_000)
        tracemalloc.start()
        grown, more = _memory()
        await work(app, 2_000)
        after, _ = _memory()
        tracemalloc.stop()
    assert heard[0] == 1_000_000
    assert more - objects < 200
    assert after - grown < 100_000
    assert before >= 0


def _memory() -> tuple[int, int]:
    gc.collect()
    return tracemalloc.get_traced_memory()[0], len(gc.get_objects())


async def test_a_queued_call_that_nobody_waits_for_is_not_begun() -> None:
    gate, first, begun = asyncio.Event(), asyncio.Event(), list[int]()
    service = Service("slow")

    @service.command(concurrency=1)
    async def work(number: int) -> int:
        begun.append(number)
        first.set()
        await gate.wait()
        return number

    async with host(service, MemoryBridge()) as app:
        calls = [asyncio.ensure_future(app.call(work, number)) for number in (1, 2, 3)]
        await first.wait()
        calls[1].cancel()
        await asyncio.wait([calls[1]])
        gate.set()
        assert [await calls[0], await calls[2]] == [1, 3]
    assert begun == [1, 3]


async def test_a_handler_that_does_not_mind_its_caller_is_followed_by_the_next_call() -> None:
    service, begun = Service("stubborn"), asyncio.Event()

    @service.command(concurrency=1)
    async def work(number: int) -> int:
        begun.set()
        try:
            await asyncio.Event().wait() if number == 1 else None
        except asyncio.CancelledError:
            return -1
        return number

    async with host(service, MemoryBridge()) as app:
        first = asyncio.ensure_future(app.call(work, 1))
        await begun.wait()
        first.cancel()
        await asyncio.wait([first])
        assert [await app.call(work, number) for number in (2, 3)] == [2, 3]


async def test_a_call_that_nobody_answered_leaves_nothing_behind() -> None:
    broker, missing = MemoryBroker(), Contract("missing").command("work", int, int)
    async with host(Service("caller"), MemoryBridge(broker)) as app:
        with pytest.raises(DeadlineExceeded):
            await app.call(missing, 1, timeout=0.01)
        calling = asyncio.ensure_future(app.call(missing, 2))
        await asyncio.sleep(0)  # it is on its way now
        assert broker.topics["pubsub", missing.topic].waiting
        calling.cancel()
        await asyncio.wait([calling])
        assert not broker.topics["pubsub", missing.topic].waiting


class LeapingClock:
    """The system's clock, set to later when a test says so."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> float:
        return time.time() + self.ahead

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def doubling() -> tuple[Service, Command[int, int]]:
    service = Service("doubling")

    @service.command
    async def double(number: int) -> int:
        return 2 * number

    return service, double


async def test_a_call_of_an_idle_handler_that_waits_for_nothing_takes_no_turn_of_the_loop() -> None:
    service, double = doubling()
    turns = list[int]()
    async with host(service, MemoryBridge()) as app:
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(turns.append, 1)
        assert await app.call(double, 21) == 42
        assert turns == []


async def test_calls_leave_others_their_turn() -> None:
    service, double = doubling()
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with host(service, MemoryBridge()) as app:
        counting = asyncio.ensure_future(others())
        async with asyncio.timeout(15):
            while turns < 5:
                await app.call(double, 1)
        counting.cancel()
        await asyncio.wait([counting])


async def test_a_command_may_call_itself_deeper_than_python_calls_functions() -> None:
    contract = Contract("sums")
    total = contract.command("total", int, int)
    service = Service(contract)

    @service.handles(total, calls=[total])
    async def add(ctx: Context, number: int) -> int:
        return number + (await ctx.call(total, number - 1) if number else 0)

    async with host(service, MemoryBridge()) as app:
        assert await app.call(total, 60, timeout=15) == 60 * 61 / 2


async def test_time_that_a_handler_takes_before_it_waits_is_its_callers() -> None:
    clock = LeapingClock()
    service = Service("slow")

    @service.command
    async def work() -> None:
        clock.ahead = 60
        await asyncio.Event().wait()

    app = Host(service, bridge=MemoryBridge(clock=clock), stores=NO_STORES, clock=clock)
    async with app, asyncio.timeout(15):
        await asyncio.sleep(0)
        with pytest.raises(DeadlineExceeded):
            await app.call(work, None, timeout=59)
