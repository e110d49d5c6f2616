"""What was committed is finished, though nobody delivers its message again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from msgspec import Raw

from pillion import Context, Contract, Service
from pillion.bridges.memory.bridge import MemoryBridge
from pillion.errors import DeadlineExceeded, Failure
from pillion.message import Message
from pillion.outcome import Ack
from pillion.pipeline.leaving import uninterrupted
from pillion.ports.bridge import Kind, Outgoing, Route
from pillion.ports.store import Change
from pillion.resilience.execution import execution_name
from pillion.resilience.inbox import Claim, Inbox
from pillion.runtime.host import Host
from pillion.runtime.stores import Stores
from pillion.service.command import CommandFailed
from pillion.stores.memory import MemoryStateStore
from pillion.testing.clock import FakeClock
from pillion.testing.harness import hosted
from pillion.testing.parts import HarnessBridge
from pillion.testing.quiet import until_quiet


def placing(contract: Contract, heard: list[int]) -> Service:
    service = Service(contract)
    placed = contract.event("placed", int)
    place = contract.command("place", int, int)

    @service.handles(place, once=True, emits=[placed])
    async def handle(ctx: Context, number: int) -> int:
        await ctx.state.set("last", number)
        ctx.emit(placed, number)
        return number

    @service.on(placed)
    async def hear(number: int) -> None:
        heard.append(number)

    return service


def command_route(host: Host) -> Route:
    bridge = host.bridge
    assert isinstance(bridge, HarnessBridge)
    return next(route for route in bridge._routes if route.kind is Kind.COMMAND)


async def test_a_message_in_custody_that_was_not_committed_is_not_begun_again() -> None:
    heard: list[int] = []
    contract, clock, store = Contract("orders"), FakeClock(), MemoryStateStore()
    service = placing(contract, heard)
    stores = {"orders-state": store}
    message = Message("1", "/x", "orders.v1.place", "1.0")
    async with hosted(service, clock=clock, stores=stores) as app:
        custody = command_route(app.host).custody
        assert custody is not None
        await custody(message)
    async with hosted(service, clock=clock, stores=stores) as app:
        await app.until_quiet()
        assert (heard, await app.state(service).get("last", int)) == ([], None)
        assert not app.host.keepers[0].waiting


async def test_a_message_in_custody_is_forgotten_when_it_is_done() -> None:
    heard: list[int] = []
    clock, store = FakeClock(), MemoryStateStore()
    async with hosted(placing(Contract("orders"), heard), clock=clock, stores={"orders-state": store}) as app:
        custody = command_route(app.host).custody
        assert custody is not None
        release = await custody(Message("1", "/x", "orders.v1.place", "1.0"))
        assert app.host.keepers[0].waiting
        await release(Ack())
        assert not app.host.keepers[0].waiting


async def test_what_was_committed_before_a_crash_leaves_in_the_end() -> None:
    heard: list[int] = []
    contract, clock, store = Contract("orders"), FakeClock(), MemoryStateStore()
    service = placing(contract, heard)
    message = Message("1", "/x", "orders.v1.place", "1.0")
    async with hosted(service, clock=clock, stores={"orders-state": store}) as app:
        custody = command_route(app.host).custody
        assert custody is not None
        await custody(message)
        # What an execution does up to its commit; then it dies.
        inbox = Inbox(store, clock, window=86_400, lease=40, owner="gone/1")
        claim = await inbox.begin(execution_name("orders.v1.place", message))
        assert isinstance(claim, Claim)
        event = Message("2", "/x", "orders.v1.placed", "1.0", data=Raw(b"7"))
        await inbox.commit(claim, [], [Outgoing("orders.v1.placed", event)], None)
    async with hosted(service, clock=clock, stores={"orders-state": store}) as app:
        await app.until_quiet()
    assert heard == [7]


class Forgetful(MemoryBridge):
    """Brings a call once, as service invocation does. Events do not leave before they are let."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock=clock)
        self.leaving, self.let = asyncio.Event(), asyncio.Event()

    @property
    def forgets_calls(self) -> bool:
        return True

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        self.leaving.set()
        await self.let.wait()
        await super().publish(messages)


class Orders:
    """The service on a bridge that forgets calls."""

    def __init__(self) -> None:
        self.heard: list[int] = []
        self.contract, self.clock, self.store = Contract("orders"), FakeClock(), MemoryStateStore()
        self.service = placing(self.contract, self.heard)
        self.place = self.contract.commands["place"]

    def host(self, bridge: MemoryBridge) -> Host:
        return Host(self.service, bridge=bridge, stores=Stores(lambda _: self.store), clock=self.clock)


async def test_a_call_that_nobody_brings_again_is_kept_until_its_messages_have_left() -> None:
    orders = Orders()
    bridge = Forgetful(orders.clock)
    async with orders.host(bridge) as host:
        call = asyncio.ensure_future(host.call(orders.place, 7))
        await bridge.leaving.wait()
        assert host.keepers[0].waiting
        bridge.let.set()
        assert await call == 7
        await bridge.broker.quiet()
        assert (orders.heard, host.keepers[0].waiting) == ([7], False)


async def test_a_call_that_died_before_its_messages_left_is_finished_by_another() -> None:
    orders = Orders()
    bridge = Forgetful(orders.clock)
    dead = orders.host(bridge)
    await dead.start()
    call: asyncio.Future[int] = asyncio.ensure_future(dead.call(orders.place, 7))
    await bridge.leaving.wait()
    other = MemoryBridge(clock=orders.clock)
    async with orders.host(other) as host:
        await until_quiet(other.broker, orders.clock, 10, host.keepers)
        assert (orders.heard, host.keepers[0].waiting) == ([7], False)
    call.cancel()
    bridge.let.set()
    await dead.stop()


class SoldOut(Failure):
    """There is none left."""

    status = 409


def selling(contract: Contract, heard: list[str]) -> Service:
    """Always refuses, and hears that it did."""
    service = Service(contract)
    sell = contract.command("sell", int, None, raises=[SoldOut], announced=True)

    @service.handles(sell, once=True)
    async def handle(_: int) -> None:
        raise SoldOut

    @service.on(sell.failed)
    async def hear(failed: CommandFailed) -> None:
        heard.append(failed.code)

    return service


async def test_a_refused_call_is_kept_until_others_were_told_of_it() -> None:
    heard: list[str] = []
    contract, clock = Contract("orders"), FakeClock()
    service, bridge, store = selling(contract, heard), Forgetful(clock), MemoryStateStore()
    async with Host(service, bridge=bridge, stores=Stores(lambda _: store), clock=clock) as host:
        call: asyncio.Future[None] = asyncio.ensure_future(host.call(contract.commands["sell"], 7))
        await bridge.leaving.wait()
        kept = host.keepers[0].waiting
        bridge.let.set()
        with pytest.raises(SoldOut):
            await call
        await bridge.broker.quiet()
        assert (kept, heard, host.keepers[0].waiting) == (True, ["sold_out"], False)


async def test_a_refusal_that_died_before_others_were_told_of_it_is_told_of_by_another() -> None:
    heard: list[str] = []
    contract, clock, store = Contract("orders"), FakeClock(), MemoryStateStore()
    service, bridge, other = selling(contract, heard), Forgetful(clock), MemoryBridge(clock=clock)
    stores = Stores(lambda _: store)
    dead = Host(service, bridge=bridge, stores=stores, clock=clock)
    await dead.start()
    call: asyncio.Future[None] = asyncio.ensure_future(dead.call(contract.commands["sell"], 7))
    await bridge.leaving.wait()
    async with Host(service, bridge=other, stores=stores, clock=clock) as host:
        await until_quiet(other.broker, clock, 10, host.keepers)
        assert (heard, host.keepers[0].waiting) == (["sold_out"], False)
    call.cancel()
    bridge.let.set()
    await dead.stop()


class Slow(MemoryStateStore):
    """Takes so long for a commit that time-outs come in the middle of it."""

    async def transact(self, changes: Sequence[Change]) -> None:
        await uninterrupted(self._commit(changes))

    async def _commit(self, changes: Sequence[Change]) -> None:
        await asyncio.sleep(0.2)
        await super().transact(changes)


async def test_a_call_whose_time_is_over_during_the_commit_lets_its_messages_leave() -> None:
    orders = Orders()
    orders.store = Slow(orders.clock)
    bridge = MemoryBridge(clock=orders.clock)
    async with orders.host(bridge) as host:
        with pytest.raises(DeadlineExceeded):
            await host.call(orders.place, 7, timeout=0.1)
        await until_quiet(bridge.broker, orders.clock, 10, host.keepers)
        assert orders.heard == [7]
