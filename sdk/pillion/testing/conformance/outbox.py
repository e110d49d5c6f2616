"""The four classic bugs of outboxes, a test for each by its name, on whatever store and bridge."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Literal

import pytest

from pillion.context import Context
from pillion.errors import BridgeError, PillionError, StoreError
from pillion.ports.bridge import Outgoing
from pillion.ports.store import Change, StateCapabilities, StateStore
from pillion.runtime.host import Host
from pillion.service.contract import Contract
from pillion.service.service import Service
from pillion.state import State
from pillion.testing.conformance.foreign import envelope
from pillion.testing.conformance.world import PATIENCE, Publish, World, eventually, needs


class Faults:
    """What goes wrong in the processes of a test, with what they publish on one topic and with their stores.

    Attributes:
        refused: how often yet the ``broker`` refuses the topic, the store the ``shelf``, or the ``mark`` that messages
            have left.
        marked: how often a mark was written or refused.
        dies: the process does, before or after the next publish; then None.
        left: ids of what has left.
        dying: set when nothing but the process's end is to come.
        buried: set by the test when the process has ended.
    """

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self.refused = Counter[str]()
        self.marked = 0
        self.dies: Literal["before", "after"] | None = None
        self.left: list[str] = []
        self.dying, self.buried = asyncio.Event(), asyncio.Event()

    def publishing(self, publish: Publish) -> Publish:
        """Publishing with the faults."""

        async def faulty(messages: Sequence[Outgoing]) -> None:
            ids = [outgoing.message.id for outgoing in messages if outgoing.topic == self._topic]
            if ids:
                await self._die("before")
                self.refuse("broker", BridgeError("the broker takes nothing"))
            await publish(messages)
            self.left += ids
            if ids:
                await self._die("after")

        return faulty

    def storing(self, store: StateStore) -> StateStore:
        """A store with the faults."""
        return _FaultyStore(store, self)

    def refuse(self, what: str, error: PillionError) -> None:
        """Raise it, if this is to be refused yet."""
        if self.refused[what]:
            self.refused[what] -= 1
            raise error

    async def _die(self, when: str) -> None:
        if self.dies == when:
            self.dies = None
            self.dying.set()
            await self.buried.wait()
            raise BridgeError("this process is dead")


class _FaultyStore:
    def __init__(self, store: StateStore, faults: Faults) -> None:
        self._store = store
        self._faults = faults
        self.start, self.close, self.get, self.transact = store.start, store.close, store.get, store.transact

    @property
    def capabilities(self) -> StateCapabilities:
        return self._store.capabilities

    async def write(self, changes: Sequence[Change]) -> None:
        keys = [change.key for change in changes]
        if any(key.startswith("pillion:shelf") for key in keys):
            self._faults.refuse("shelf", StoreError("the shelf is away"))
        marks = any(key.endswith(":done") for key in keys)
        try:
            if marks:
                self._faults.refuse("mark", StoreError("the mark is away"))
            await self._store.write(changes)
        finally:
            self._faults.marked += marks


class Echoing:
    """Processes, one after another, of a service that echoes what it is told, and of one that hears each echo once.

    Attributes:
        faults: of the echoes, and of the store.
        runs: how often the echoing handler ran.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._sink, self._ear = Contract(world.name("sink")), Contract(world.name("ear"))
        self._told, self._echoed = self._sink.event("told", int), self._sink.event("echoed", int)
        self.faults = Faults(self._echoed.topic)
        self.runs = 0

    async def start(self) -> Host:
        """Another process."""
        faults = self.faults
        return await self._world.start(
            *self._services(), publishing=faults.publishing, storing=faults.storing, drain_seconds=0.5
        )

    async def tell(self) -> None:
        """Deliver the message: for the first time, or again, as brokers do that got no answer for it."""
        await self._world.publish_event(self._told.topic, envelope(self._told.address, 5, id="1"))

    async def crash(self) -> None:
        """The process dies where it was told to."""
        async with asyncio.timeout(PATIENCE):
            await self.faults.dying.wait()
        await self._world.crash()
        self.faults.buried.set()

    async def heard(self) -> Sequence[str]:
        """The ids of the echoes that had an effect, once there is one."""
        state = State(await self._world.store(), scope=f"{self._ear.name}.")
        return await eventually(lambda: state.get(self._ear.name, list[str])) or ()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for it."""

        async def look() -> bool:
            return condition()

        await eventually(look)

    def _services(self) -> tuple[Service[Any, Any], ...]:
        sink, ear = Service(self._sink, state=self._world.state), Service(self._ear, state=self._world.state)

        @sink.on(self._told, emits=[self._echoed], once=True)
        async def echo(ctx: Context, number: int) -> None:
            self.runs += 1
            ctx.emit(self._echoed, number)

        @ear.on(self._echoed, once=True)
        async def hear(ctx: Context, _: int) -> None:
            heard = await ctx.state.get(self._ear.name, list[str]) or []
            await ctx.state.set(self._ear.name, [*heard, ctx.message.id])

        return sink, ear


class Outbox:
    """State and messages leave together: each message in the end, and none for ever."""

    @pytest.mark.parametrize("shelf_refuses", [0, 2], ids=["broker away", "broker and shelf away"])
    async def test_stuck(self, world: World, shelf_refuses: int) -> None:
        """Recorded messages never leave, although nobody fails any more.

        The relay that should have looked has given up, or looks only when something new is written. Here the broker
        refuses for a while, and nothing else happens.
        """
        echoing = Echoing(world)
        echoing.faults.refused.update(broker=2, shelf=shelf_refuses)
        await echoing.start()
        await echoing.tell()
        heard = await echoing.heard()
        await world.quiet()
        assert (echoing.runs, echoing.faults.left) == (1, heard)

    @pytest.mark.parametrize("marks_refused", [0, 1])
    async def test_endless(self, world: World, marks_refused: int) -> None:
        """A record is never marked as sent, so each look at it publishes its messages again, for ever.

        Here the message comes six times, to three processes. A mark that could not be written costs one repetition,
        not one each time.
        """
        needs(world, "repetition")
        echoing = Echoing(world)
        faults, marks = echoing.faults, 1 + marks_refused
        faults.refused["mark"] = marks_refused
        for _ in range(3):
            host = await echoing.start()
            await echoing.tell()
            await echoing.until(lambda: faults.marked >= 1)
            await echoing.tell()
            await echoing.until(lambda: faults.marked >= marks)
            await world.quiet()
            await world.stop(host)
        assert (echoing.runs, len(faults.left), len(set(faults.left))) == (1, marks, 1)

    async def test_lost_on_crash(self, world: World) -> None:
        """The process dies between the commit and the publish: the state is changed, and its messages are gone.

        Here the broker delivers the message again, to another process, which lets the messages leave without handling
        it again.
        """
        needs(world, "repetition")
        echoing = Echoing(world)
        echoing.faults.dies = "before"
        await echoing.start()
        await echoing.tell()
        await echoing.crash()
        assert (echoing.runs, echoing.faults.left) == (1, [])
        await echoing.start()
        await echoing.tell()
        heard = await echoing.heard()
        await world.quiet()
        assert (echoing.runs, echoing.faults.left) == (1, heard)
        assert len(heard) == 1

    async def test_duplicated_after_recovery(self, world: World) -> None:
        """The process dies after the publish and before the mark, so recovery publishes again.

        With new ids, consumers take that for something new. Here it has the same id, and a consumer with ``once=``
        hears it once.
        """
        needs(world, "repetition")
        echoing = Echoing(world)
        echoing.faults.dies = "after"
        await echoing.start()
        await echoing.tell()
        heard = await echoing.heard()
        await echoing.crash()
        await echoing.start()
        await echoing.tell()
        await echoing.until(lambda: len(echoing.faults.left) == 2)
        await world.quiet()
        assert (echoing.runs, echoing.faults.left) == (1, [*heard, *heard])
        assert await echoing.heard() == heard
