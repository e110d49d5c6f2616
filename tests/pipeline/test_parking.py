"""What is parked is taken again, whatever happens to its store, its topic, its handler or its host."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from msgspec import Raw

from pillion import Context, Contract, Retry, Service, foreign_event
from pillion.bridges.memory.bridge import MemoryBridge
from pillion.errors import BridgeError
from pillion.message import Message
from pillion.ports.bridge import Outgoing
from pillion.ports.clock import SystemClock
from pillion.ports.store import Change, StateItem
from pillion.resilience.letters import Letters
from pillion.resilience.shelf import Shelf
from pillion.runtime.host import Host
from pillion.runtime.stores import Stores
from pillion.stores.memory import MemoryStateStore
from pillion.testing.clock import FakeClock
from pillion.testing.harness import hosted
from pillion.testing.quiet import until_quiet
from tests.pipeline.unsteady import UnsteadyStore

TOLD = Contract("source").event("told", int)


def told(id_: str) -> Message:
    return Message(id=id_, source="/a", type=TOLD.address, specversion="1.0", data=Raw(b"7"))


async def test_the_shelf_is_looked_at_again_when_its_store_is_back() -> None:
    attempts: list[int] = []
    service, store = Service("sink"), UnsteadyStore()

    @service.on(TOLD)
    async def hear(ctx: Context, _: int) -> None:
        attempts.append(ctx.message.attempt)
        if len(attempts) == 1:
            raise Retry(after=3600)

    store.down = True
    async with hosted(service, clock=FakeClock(), stores={"sink-state": store}) as host:
        await store.refused.wait()
        store.down = False
        await host.emit(TOLD, 1)
        await host.until_quiet()
    assert attempts == [1, 2]


async def test_a_message_that_cannot_be_parked_stays_with_the_broker() -> None:
    attempts: list[int] = []
    service, store = Service("sink"), UnsteadyStore()

    @service.on(TOLD)
    async def hear(ctx: Context, _: int) -> None:
        attempts.append(ctx.message.attempt)
        store.down = len(attempts) == 1
        if len(attempts) < 3:
            raise Retry(after=3600)

    async with hosted(service, clock=FakeClock(), stores={"sink-state": store}) as host:
        await host.emit(TOLD, 1)
        await host.until_quiet()
    assert attempts == [1, 1, 2]


class SlowStore(MemoryStateStore):
    """Takes a while to answer, as a database does."""

    async def get(self, keys: Sequence[str]) -> dict[str, StateItem]:
        await asyncio.sleep(0.05)
        return await super().get(keys)


async def test_after_a_restart_a_key_waits_for_what_was_parked_before_however_slow_the_store() -> None:
    told_in_order, store, heard = Contract("source").event("told", int, key=lambda _: "k"), SlowStore(), list[int]()

    def sink() -> Service:
        service = Service("sink")

        @service.on(told_in_order, key="subject")
        async def hear(number: int) -> None:
            if number == 1:
                raise Retry("not yet", after=3600)
            heard.append(number)

        return service

    for number in (1, 2):
        async with hosted(sink(), stores={"sink-state": store}) as host:
            await host.emit(told_in_order, number)
            await host.until_quiet()
    assert heard == []


async def test_a_key_waits_with_the_broker_while_the_shelf_cannot_be_read() -> None:
    told_in_order, store, heard = Contract("source").event("told", int, key=lambda _: "k"), UnsteadyStore(), list[int]()
    service = Service("sink")

    @service.on(told_in_order, key="subject")
    async def hear(number: int) -> None:
        assert not store.down
        heard.append(number)

    async with hosted(service, stores={"sink-state": store}) as host:
        await host.until_quiet()
        store.refused.clear()
        store.down = True
        await host.emit(told_in_order, 1)
        await store.refused.wait()
        store.down = False
        await host.until_quiet()
    assert heard == [1]


async def test_a_key_keeps_its_order_when_one_of_it_goes_back_to_the_broker() -> None:
    told_in_order, store, heard = Contract("source").event("told", int, key=lambda _: "k"), UnsteadyStore(), list[int]()
    service, begun, gate = Service("sink"), asyncio.Event(), asyncio.Event()

    @service.on(told_in_order, key="subject")
    async def hear(number: int) -> None:
        if not begun.is_set():
            begun.set()
            await gate.wait()
            store.down = True
            raise Retry("not yet", after=3600)
        store.down = False
        heard.append(number)

    async with hosted(service, clock=FakeClock(), stores={"sink-state": store}) as host:
        await host.emit(told_in_order, 1)
        await begun.wait()
        for number in (2, 3):
            await host.emit(told_in_order, number)
        gate.set()
        await store.refused.wait()
        store.down = False
        await host.until_quiet()
    assert heard == [1, 2, 3]


async def test_without_a_store_what_has_to_wait_long_is_a_dead_letter() -> None:
    contract, attempts, letters = Contract("sink"), list[int](), list[Message]()
    service, reader = Service(contract), Service("reader")

    @service.on(TOLD)
    async def hear(number: int) -> None:
        attempts.append(number)
        raise Retry(after=3600)

    @reader.on(foreign_event(contract.dead_letter_topic, object))
    async def read(ctx: Context) -> None:
        letters.append(ctx.message)

    bridge = MemoryBridge()
    async with Host(service, reader, bridge=bridge, stores=Stores(lambda _: None)) as host:
        await host.emit(TOLD, 1)
        await bridge.broker.quiet()
    assert attempts == [1]
    assert [letter.failure_title for letter in letters] == [
        "it has to wait 3600 s, and the service has no state store to park it in"
    ]


async def test_a_broadcast_is_not_parked_where_another_instance_would_take_it() -> None:
    attempts: list[int] = []
    service = Service("sink")

    @service.on(TOLD, broadcast=True, dead_letter=False)
    async def hear(number: int) -> None:
        attempts.append(number)
        raise Retry(after=3600)

    clock, store = FakeClock(), MemoryStateStore()
    async with hosted(service, clock=clock, stores={"sink-state": store}) as host:
        await host.emit(TOLD, 1)
        await host.until_quiet()
    assert (attempts, await Shelf(store, "sink.v1", clock).due()) == ([1], [])


async def test_what_is_due_a_moment_after_others_were_taken_does_not_wait_for_the_next_look() -> None:
    contract, clock, heard = Contract("source"), FakeClock(), asyncio.Queue[int]()
    service, told = Service(contract), contract.event("told", int)

    @service.command(emits=[told])
    async def tell(ctx: Context) -> None:
        ctx.emit(told, 1, delay=0.3)
        ctx.emit(told, 2, delay=0.6)

    @service.on(told)
    async def hear(number: int) -> None:
        heard.put_nowait(number)

    async with hosted(service, clock=clock, stores={"source-state": MemoryStateStore()}) as host:
        await host.call(tell, None)
        async with asyncio.timeout(1.0):
            for number in (1, 2):
                await clock.until_asleep()
                await clock.advance(0.3)
                assert await heard.get() == number


async def test_a_parked_message_whose_handler_is_not_here_is_not_lost() -> None:
    clock, store, handled = FakeClock(), MemoryStateStore(), list[int]()
    shelf = Shelf(store, "sink.v1", clock)
    await shelf.park(told("1"), "sink.v1.later", clock.now(), 1, "")
    async with hosted(Service("sink"), clock=clock, stores={"sink-state": store}):
        await clock.until_asleep()
    service = Service("sink")

    @service.on(TOLD, name="later")
    async def hear(number: int) -> None:
        handled.append(number)

    async with hosted(service, clock=clock, stores={"sink-state": store}) as host:
        await host.until_quiet()
    assert handled == [7]


@pytest.mark.parametrize("address", ["sink.v1.gone", "sink.v1.gone/recovery"])
async def test_a_parked_message_whose_handler_nobody_has_becomes_a_dead_letter(address: str) -> None:
    clock, store = FakeClock(), MemoryStateStore()
    shelf, began = Shelf(store, "sink.v1", clock), clock.now()
    await shelf.park(told("1"), address, began, 1, "")
    async with hosted(Service("sink"), clock=clock, stores={"sink-state": store}) as host:
        await host.until_quiet()
    (letter,) = await Letters(store, "sink.v1", clock).list()
    assert (letter.subscriber, letter.failure, letter.message_id) == ("sink.v1.gone", "unknown_handler", "1")
    assert "there is no handler sink.v1.gone" in letter.title
    assert await shelf.due() == []
    assert clock.now() - began >= 300


async def test_another_version_beside_that_has_the_handler_takes_a_parked_message() -> None:
    clock, store, handled = FakeClock(), MemoryStateStore(), list[int]()
    older = Service("sink")

    @older.on(TOLD, name="gone")
    async def hear(number: int) -> None:
        handled.append(number)

    await Shelf(store, "sink.v1", clock).park(told("1"), "sink.v1.gone", clock.now(), 1, "")
    async with hosted(Service("sink"), clock=clock, stores={"sink-state": store}):
        await clock.until_asleep()
        async with hosted(older, clock=clock, stores={"sink-state": store}) as host:
            await host.until_quiet()
    assert handled == [7]
    assert list(await Letters(store, "sink.v1", clock).list()) == []


class Slow(MemoryStateStore):
    """Stops in the middle of taking a message from the shelf."""

    def __init__(self) -> None:
        super().__init__()
        self.taking, self.go = asyncio.Event(), asyncio.Event()

    async def write(self, changes: Sequence[Change]) -> None:
        self.taking.set()
        await self.go.wait()
        await super().write(changes)


async def test_what_is_being_taken_when_the_host_stops_is_handled_before() -> None:
    store, handled, service = Slow(), list[int](), Service("sink")

    @service.on(TOLD, name="later")
    async def hear(number: int) -> None:
        handled.append(number)

    store.go.set()
    await Shelf(store, "sink.v1", SystemClock()).park(told("1"), "sink.v1.later", 0.0, 1, "")
    store.go.clear()
    store.taking.clear()
    host = Host(service, bridge=MemoryBridge(), stores=Stores(lambda _: store))
    await host.start()
    await store.taking.wait()
    stopped = asyncio.ensure_future(host.stop())
    await asyncio.sleep(0)
    store.go.set()
    assert await stopped == 0
    assert handled == [7]
    assert await Shelf(store, "sink.v1", SystemClock()).due() == []


async def test_what_waits_for_its_turn_when_the_host_stops_is_given_back() -> None:
    store, begun, gate, service = MemoryStateStore(), list[int](), asyncio.Event(), Service("sink")

    @service.on(TOLD, name="later", concurrency=1)
    async def hear(number: int) -> None:
        begun.append(number)
        await gate.wait()

    shelf = Shelf(store, "sink.v1", SystemClock())
    for id_ in "123":
        await shelf.park(told(id_), "sink.v1.later", 0.0, 1, "")
    host = Host(service, bridge=MemoryBridge(), stores=Stores(lambda _: store))
    await host.start()
    while not begun:  # noqa: ASYNC110 - it is told of no other way
        await asyncio.sleep(0)
    stopped, given_back = asyncio.ensure_future(host.stop()), 0
    while given_back < 2:
        given_back += len(await shelf.due())
        await asyncio.sleep(0)
    gate.set()
    assert await stopped == 0
    assert begun == [7]


async def test_a_message_that_cannot_leave_is_tried_again() -> None:
    clock, heard, contract = FakeClock(), list[int](), Contract("source")
    event, service = contract.event("told", int), Service(contract)

    @service.command(emits=[event])
    async def tell(ctx: Context, number: int) -> None:
        ctx.emit(event, number, delay=1)

    @service.on(event)
    async def hear(number: int) -> None:
        heard.append(number)

    bridge, store, refused = MemoryBridge(clock=clock), MemoryStateStore(clock), list[str]()
    publish = bridge.publish

    async def refuse_twice(messages: Sequence[Outgoing]) -> None:
        if messages[0].topic == event.topic and len(refused) < 2:
            refused.append(messages[0].topic)
            raise BridgeError("full")
        await publish(messages)

    bridge.publish = refuse_twice  # type: ignore[method-assign]
    async with Host(service, bridge=bridge, stores=Stores(lambda _: store), clock=clock) as host:
        await host.call(tell, 7)
        await until_quiet(bridge.broker, clock, 10, host.keepers)
    assert (len(refused), heard) == (2, [7])
