"""What is parked is taken again, whatever happens to its store, its topic, its handler or its host."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from msgspec import Raw

from pillion import Context, Contract, Retry, Service, foreign_event
from pillion.bridges.memory.bridge import MemoryBridge
from pillion.errors import BridgeError
from pillion.message import Message
from pillion.ports.bridge import Outgoing
from pillion.ports.clock import SystemClock
from pillion.ports.store import Change
from pillion.resilience.shelf import Shelf
from pillion.runtime.host import Host
from pillion.runtime.stores import Stores
from pillion.stores.memory import MemoryStateStore
from pillion.testing.clock import FakeClock
from pillion.testing.harness import hosted
from pillion.testing.quiet import until_quiet
from tests.pipeline.unsteady import UnsteadyStore

TOLD = Contract("source").event("told", int)


async def test_the_shelf_is_looked_at_again_when_its_store_is_back() -> None:
    attempts: list[int | None] = []
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
    assert attempts == [None, 2]


async def test_a_message_that_cannot_be_parked_stays_with_the_broker() -> None:
    attempts: list[int | None] = []
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
    assert attempts == [None, None, 2]


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


async def test_a_parked_message_whose_handler_is_not_here_is_not_lost() -> None:
    clock, store, handled = FakeClock(), MemoryStateStore(), list[int]()
    shelf = Shelf(store, "sink.v1", clock)
    message = Message(id="1", source="/a", type=TOLD.address, specversion="1.0", data=Raw(b"7"))
    await shelf.park(message, "sink.v1.later", clock.now(), 1, "")
    async with hosted(Service("sink"), clock=clock, stores={"sink-state": store}):
        await clock.until_asleep()
    service = Service("sink")

    @service.on(TOLD, name="later")
    async def hear(number: int) -> None:
        handled.append(number)

    async with hosted(service, clock=clock, stores={"sink-state": store}) as host:
        await host.until_quiet()
    assert handled == [7]


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

    message = Message(id="1", source="/a", type=TOLD.address, specversion="1.0", data=Raw(b"7"))
    store.go.set()
    await Shelf(store, "sink.v1", SystemClock()).park(message, "sink.v1.later", 0.0, 1, "")
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


async def test_a_message_that_cannot_leave_is_tried_again() -> None:
    clock, heard, contract = FakeClock(), list[int](), Contract("source")
    told, service = contract.event("told", int), Service(contract)

    @service.command(emits=[told])
    async def tell(ctx: Context, number: int) -> None:
        ctx.emit(told, number, delay=1)

    @service.on(told)
    async def hear(number: int) -> None:
        heard.append(number)

    bridge, store, refused = MemoryBridge(clock=clock), MemoryStateStore(clock), list[str]()
    publish = bridge.publish

    async def refuse_twice(messages: Sequence[Outgoing]) -> None:
        if messages[0].topic == told.topic and len(refused) < 2:
            refused.append(messages[0].topic)
            raise BridgeError("full")
        await publish(messages)

    bridge.publish = refuse_twice  # type: ignore[method-assign]
    async with Host(service, bridge=bridge, stores=Stores(lambda _: store), clock=clock) as host:
        await host.call(tell, 7)
        await until_quiet(bridge.broker, clock, 10, host.keepers)
    assert (len(refused), heard) == (2, [7])
