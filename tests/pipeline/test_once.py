"""Effects happen once whatever happens between claim, handler, commit, publishing and mark."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from msgspec import Raw

from pillion import Context, Contract, Service
from pillion.bridges.memory.bridge import MemoryBridge
from pillion.bridges.memory.broker import MemoryBroker
from pillion.errors import BridgeError, PillionError, StoreError
from pillion.message import Message
from pillion.pipeline.leaving import uninterrupted
from pillion.ports.bridge import Outgoing
from pillion.ports.store import Change, Upsert
from pillion.resilience.execution import execution_name
from pillion.resilience.inbox import Claim, Inbox
from pillion.runtime.host import Host
from pillion.runtime.stores import Stores
from pillion.stores.memory import MemoryStateStore
from pillion.testing.clock import FakeClock
from pillion.testing.quiet import until_quiet

CONTRACT = Contract("source")
TOLD, ECHOED = CONTRACT.event("told", int), CONTRACT.event("echoed", int)
LISTED = CONTRACT.event("listed", list[int])

Fault = Callable[[], None]


def raising(error: Exception) -> Fault:
    def fault() -> None:
        raise error

    return fault


class Store(MemoryStateStore):
    """Has faults before and after its transactions, and in writing the shelf; each happens once."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.before: list[Fault] = []
        self.after: list[Fault] = []
        self.shelving: list[Fault] = []
        self.pause: float | None = None

    async def write(self, changes: Sequence[Change]) -> None:
        if self.shelving and any(change.key.startswith("pillion:shelf") for change in changes):
            self.shelving.pop()()
        await super().write(changes)

    async def transact(self, changes: Sequence[Change]) -> None:
        if any(change.key.endswith(":done") for change in changes):
            await uninterrupted(self._commit(changes))
        else:
            await super().transact(changes)

    async def _commit(self, changes: Sequence[Change]) -> None:
        if self.before:
            self.before.pop()()
        if self.pause is not None:
            await asyncio.sleep(self.pause)
        await super().transact(changes)
        if self.after:
            self.after.pop()()


class Bridge(MemoryBridge):
    """Refuses the event once for each fault. Shared, it says that others may have its messages too."""

    def __init__(self, broker: MemoryBroker, clock: FakeClock, *, shared: bool) -> None:
        super().__init__(broker, clock=clock)
        self.faults: list[Fault] = []
        self.shared = shared

    @property
    def alone(self) -> bool:
        return not self.shared

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        if self.faults and any(outgoing.topic == ECHOED.topic for outgoing in messages):
            self.faults.pop()()
        await super().publish(messages)


class World:
    """One service that adds up what it is told, echoes it, and hears its echo."""

    def __init__(self, *, shared: bool) -> None:
        self.clock = FakeClock()
        self.store = Store(self.clock)
        self.broker = MemoryBroker()
        self.bridge = Bridge(self.broker, self.clock, shared=shared)
        self.runs: list[int] = []
        self.heard: list[int] = []

    def service(self, *, timeout: float | None = 30.0, work: Callable[[], object] | None = None) -> Service:
        service = Service("sink")

        @service.on(TOLD, emits=[ECHOED], once=True, timeout=timeout)
        async def add(ctx: Context, number: int) -> None:
            self.runs.append(ctx.message.attempt)
            if work is not None:
                await work()  # type: ignore[misc]
            total = await ctx.state.get_item("total", int)
            await ctx.state.set("total", number + (total.value if total else 0), etag=total.etag if total else None)
            ctx.emit(ECHOED, number)

        @service.on(ECHOED)
        async def hear(number: int) -> None:
            self.heard.append(number)

        return service

    @asynccontextmanager
    async def running(self, service: Service | None = None) -> AsyncIterator[Host]:
        stores = Stores(lambda _: self.store)
        async with Host(service or self.service(), bridge=self.bridge, stores=stores, clock=self.clock) as host:
            yield host

    async def quiet(self, host: Host) -> None:
        await until_quiet(self.broker, self.clock, 10, host.keepers)

    async def total(self) -> bytes | None:
        found = await self.store.get(["total"])
        return found["total"].value if found else None


@pytest.fixture(params=[False, True], ids=["alone", "shared"])
def world(request: pytest.FixtureRequest) -> World:
    return World(shared=request.param)


@pytest_asyncio.fixture
async def host(world: World) -> AsyncIterator[Host]:
    async with world.running() as host:
        yield host


def told_elsewhere() -> Message:
    return Message(id="1", source="/other", type=TOLD.address, specversion="1.0", data=Raw(b"5"))


async def told(world: World, host: Host, ttl: float | None = None) -> None:
    await host.emit(TOLD, 5, ttl=ttl)
    await world.quiet(host)


async def test_a_commit_that_reports_a_failure_though_it_was_written_is_not_redone(world: World, host: Host) -> None:
    world.store.after = [raising(StoreError("timed out"))]
    await told(world, host)
    assert (len(world.runs), world.heard, await world.total()) == (1, [5], b"5")


async def test_a_commit_that_was_not_written_is_done_again(world: World, host: Host) -> None:
    world.store.before = [raising(StoreError("away"))]
    await told(world, host)
    assert (len(world.runs), world.heard, await world.total()) == (2, [5], b"5")


async def test_messages_that_are_refused_leave_from_the_shelf(world: World, host: Host) -> None:
    world.bridge.faults = [raising(BridgeError("full"))] * 3
    await told(world, host)
    assert (len(world.runs), world.heard) == (1, [5])


async def test_messages_leave_by_redelivery_when_the_shelf_is_away_too(world: World, host: Host) -> None:
    world.bridge.faults = [raising(BridgeError("full"))]
    world.store.shelving = [raising(StoreError("away"))] * 2
    await told(world, host)
    assert (len(world.runs), world.heard) == (1, [5])


async def test_what_was_recorded_leaves_though_its_message_has_expired_since(world: World, host: Host) -> None:
    def expire() -> None:
        world.clock._now += 60
        raise PillionError("gone")

    world.bridge.faults = [expire]
    await told(world, host, ttl=10)
    assert (len(world.runs), world.heard, await world.total()) == (1, [5], b"5")


async def test_a_time_out_during_the_commit_does_not_do_it_twice(world: World) -> None:
    world.store.pause = 0.2
    async with world.running(world.service(timeout=0.1)) as host:
        await told(world, host)
    assert (len(world.runs), world.heard, await world.total()) == (1, [5], b"5")


async def test_a_handler_without_a_time_out_may_take_long(world: World) -> None:
    async with world.running(world.service(timeout=None, work=lambda: world.clock.sleep(300))) as host:
        await told(world, host)
    assert (len(world.runs), world.heard) == (1, [5])


@pytest.mark.parametrize("world", [True], ids=["shared"], indirect=True)
async def test_what_somebody_else_has_in_hand_waits_and_counts_no_attempt(world: World, host: Host) -> None:
    message = told_elsewhere()
    inbox = Inbox(world.store, world.clock, 3600, 40, "another/1")
    claim = await inbox.begin(execution_name("sink.v1.add", message))
    assert isinstance(claim, Claim)
    began = world.clock.now()
    await world.bridge.publish([Outgoing(TOLD.topic, message)])
    await world.quiet(host)
    assert (world.runs, world.heard) == ([1], [5])
    assert world.clock.now() - began >= 40


async def test_a_handler_that_others_overtook_runs_again_from_the_message(world: World) -> None:
    service, runs = Service("sink"), list[list[int]]()

    @service.on(LISTED, once=True)
    async def work(ctx: Context, numbers: list[int]) -> None:
        numbers.append(4)
        runs.append(numbers)
        item = await ctx.state.get_item("total", int)
        if len(runs) == 1:
            await world.store.write([Upsert("total", b"10")])
        await ctx.state.set("total", 1 + (item.value if item else 0), etag=item and item.etag, first_write=True)

    async with world.running(service) as host:
        await host.emit(LISTED, [1])
        await world.quiet(host)
    assert (runs, await world.total()) == ([[1, 4], [1, 4]], b"11")
