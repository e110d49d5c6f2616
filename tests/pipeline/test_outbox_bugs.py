"""The four classic bugs of outboxes, a test for each by its name. A process dies here by never coming to its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from msgspec import Raw

from pillion import Context, Contract, Service
from pillion.bridges.memory.bridge import MemoryBridge
from pillion.bridges.memory.broker import MemoryBroker
from pillion.errors import BridgeError, StoreError
from pillion.message import Message
from pillion.ports.bridge import Outgoing
from pillion.ports.store import Change
from pillion.runtime.host import Host
from pillion.runtime.stores import Stores
from pillion.stores.memory import MemoryStateStore
from pillion.testing.clock import FakeClock
from pillion.testing.conformance.world import Seen
from pillion.testing.quiet import until_quiet

CONTRACT = Contract("source")
TOLD, ECHOED = CONTRACT.event("told", int), CONTRACT.event("echoed", int)
MESSAGE = Message(id="1", source="/elsewhere", type=TOLD.address, specversion="1.0", data=Raw(b"5"))


class Store(MemoryStateStore):
    """Refuses the shelf, or the mark that messages have left, so many times."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.refused = {"shelf": 0, "mark": 0}

    async def write(self, changes: Sequence[Change]) -> None:
        keys = [change.key for change in changes]
        self._refuse("shelf", any(key.startswith("pillion:shelf") for key in keys))
        self._refuse("mark", any(key.endswith(":done") for key in keys))
        await super().write(changes)

    def _refuse(self, what: str, is_it: bool) -> None:
        if is_it and self.refused[what]:
            self.refused[what] -= 1
            raise StoreError(f"the {what} is away")


class Wire(MemoryBridge):
    """What one process publishes with. It refuses echoes so many times, or the process dies before or after one.

    Attributes:
        left: the ids of the echoes that have left.
        dead: set when the process has died.
    """

    def __init__(self, clock: FakeClock, *, shared: bool) -> None:
        super().__init__(MemoryBroker(), clock=clock)
        self.refused = 0
        self.left: list[str] = []
        self.dies_before = self.dies_after = False
        self.dead, self.buried = asyncio.Event(), asyncio.Event()
        self._shared = shared

    @property
    def alone(self) -> bool:
        return not self._shared

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        echoes = [outgoing.message.id for outgoing in messages if outgoing.topic == ECHOED.topic]
        if echoes:
            await self._before()
        await super().publish(messages)
        self.left += echoes
        if echoes and self.dies_after:
            await self._die()

    async def _before(self) -> None:
        if self.dies_before:
            await self._die()
        if self.refused:
            self.refused -= 1
            raise BridgeError("the broker takes nothing")

    async def _die(self) -> None:
        self.dead.set()
        await self.buried.wait()


class World:
    """Processes, one after another, of a service that echoes what it is told, and of one that hears each echo once.

    Attributes:
        runs: how often the echoing handler ran.
        heard: the ids of the echoes that were heard.
    """

    def __init__(self, *, shared: bool) -> None:
        self.clock = FakeClock()
        self.store = Store(self.clock)
        self._heard_before = MemoryStateStore(self.clock)
        self._shared = shared
        self.runs = 0
        self.heard = Seen[str]()

    @asynccontextmanager
    async def process(self) -> AsyncIterator[tuple[Host, Wire]]:
        """A process on the stores of the ones before, and a broker that is empty."""
        wire = Wire(self.clock, shared=self._shared)
        stores = Stores({"sink-state": self.store, "ear-state": self._heard_before, "claims": None}.__getitem__)
        async with Host(self._sink(), self._ear(), bridge=wire, stores=stores, clock=self.clock) as host:
            try:
                yield host, wire
            finally:
                wire.buried.set()

    async def tell(self, host: Host, wire: Wire) -> None:
        """Have the broker deliver the message, and wait until all is done."""
        await wire.publish([Outgoing(TOLD.topic, MESSAGE)])
        await until_quiet(wire.broker, self.clock, 10, host.keepers)

    async def tell_and_die(self, wire: Wire) -> None:
        """Have the broker deliver the message; the process dies of it."""
        await wire.publish([Outgoing(TOLD.topic, MESSAGE)])
        async with asyncio.timeout(10):
            await wire.dead.wait()

    def _sink(self) -> Service:
        service = Service("sink")

        @service.on(TOLD, emits=[ECHOED], once=True)
        async def echo(ctx: Context, number: int) -> None:
            self.runs += 1
            ctx.emit(ECHOED, number)

        return service

    def _ear(self) -> Service:
        service = Service("ear")

        @service.on(ECHOED, once=True)
        async def hear(ctx: Context, _: int) -> None:
            self.heard.add(ctx.message.id)

        return service


@pytest.fixture(params=[False, True], ids=["alone", "shared"])
def world(request: pytest.FixtureRequest) -> World:
    return World(shared=request.param)


@pytest.mark.parametrize("shelf_refuses", [0, 3], ids=["broker away", "broker and shelf away"])
async def test_stuck(world: World, shelf_refuses: int) -> None:
    """Recorded messages never leave, although nobody fails any more: the relay that should have looked has given up, or
    looks only when something new is written. Here the broker refuses for a while, and nothing else ever happens.
    """
    async with world.process() as (host, wire):
        wire.refused, world.store.refused["shelf"] = 3, shelf_refuses
        await world.tell(host, wire)
    assert (world.runs, len(world.heard.items)) == (1, 1)


@pytest.mark.parametrize("marks_refused", [0, 1])
async def test_endless(world: World, marks_refused: int) -> None:
    """A record is never marked as sent, so each look at it publishes its messages again, for ever. Here the message
    comes ten times, to five processes. A mark that could not be written costs one repetition, not one each time.
    """
    world.store.refused["mark"] = marks_refused
    left = list[str]()
    for _ in range(5):
        async with world.process() as (host, wire):
            await world.tell(host, wire)
            await world.tell(host, wire)
        left += wire.left
    assert (world.runs, len(left), len(set(left))) == (1, 1 + marks_refused, 1)


async def test_lost_on_crash(world: World) -> None:
    """The process dies between the commit and the publish: the state is changed, and its messages are gone. Here the
    broker delivers the message again, to another process, which lets the messages leave without handling it again.
    """
    async with world.process() as (_, dying):
        dying.dies_before = True
        await world.tell_and_die(dying)
        async with world.process() as (host, wire):
            await world.tell(host, wire)
        assert (world.runs, dying.left, len(wire.left)) == (1, [], 1)
        assert world.heard.items == wire.left


async def test_duplicated_after_recovery(world: World) -> None:
    """The process dies after the publish and before the mark, so recovery publishes again; with new ids, consumers take
    that for something new. Here it has the same ids, and a consumer with `once=` hears each message once.
    """
    async with world.process() as (_, dying):
        dying.dies_after = True
        await world.tell_and_die(dying)
        await world.heard.wait()
        async with world.process() as (host, wire):
            await world.tell(host, wire)
        assert (world.runs, wire.left) == (1, dying.left)
        assert world.heard.items == dying.left
