"""A parked message whose process ends while it is handled has been tried; one that is handed back has not."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from msgspec import Raw

from pillion import Context, Retry, Service
from pillion.bridges.memory.bridge import MemoryBridge
from pillion.message import Message
from pillion.ports.bridge import Outgoing
from pillion.ports.clock import SystemClock
from pillion.ports.store import StateStore
from pillion.resilience.letters import Letters
from pillion.resilience.shelf import Shelf
from pillion.runtime.host import Host
from pillion.runtime.settings import HostSettings
from pillion.runtime.stores import Stores
from pillion.stores.memory import MemoryStateStore
from pillion.stores.sqlite import SQLiteStateStore
from pillion.testing.clock import FakeClock
from pillion.testing.harness import hosted
from tests.pipeline.dying import TOLD
from tests.pipeline.unsteady import UnsteadyStore

HEAR = "sink.v1.hear"
SENT = Message("1", "/a", TOLD.address, "1.0", data=Raw(b"7"))


@pytest.mark.slow
async def test_a_message_that_ends_each_process_that_handles_it_becomes_a_dead_letter(tmp_path: Path) -> None:
    state, attempts = tmp_path / "state.db", tmp_path / "attempts"
    store = SQLiteStateStore(state)
    await store.start()
    await Shelf(store, "sink.v1", SystemClock()).park(SENT, HEAR, 0.0, 1, "")
    for code in (9, 9, 9, 0):
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.pipeline.dying", state, attempts)
        assert await process.wait() == code
    (letter,) = await Letters(store, "sink.v1", SystemClock()).list()
    await store.close()
    assert attempts.read_text().split() == ["1", "2", "3"]
    assert (letter.attempts, letter.title) == (3, "failed 3 times: its process ended while handling it")


async def begin_and_die(store: StateStore, clock: FakeClock) -> None:
    shelf = Shelf(store, "sink.v1", clock, owner="gone/1")
    (taken,) = await shelf.due()
    await shelf.begin(taken)


def hearing(attempts: list[int]) -> Service:
    service = Service("sink")

    @service.on(TOLD, retry=Retry(attempts=3, backoff="1ms"))
    async def hear(ctx: Context, _: int) -> None:
        attempts.append(ctx.message.attempt)

    return service


async def test_another_instance_counts_the_attempt_of_a_process_that_ended() -> None:
    attempts, clock, store = list[int](), FakeClock(), MemoryStateStore()
    await Shelf(store, "sink.v1", clock).park(SENT, HEAR, clock.now(), 1, "")
    await begin_and_die(store, clock)
    async with hosted(hearing(attempts), clock=clock, stores={"sink-state": store}) as host:
        await host.until_quiet()  # which takes the clock past the lease
    assert attempts == [2]


async def test_what_was_taken_and_not_begun_when_its_process_ended_has_not_been_tried() -> None:
    attempts, clock, store = list[int](), FakeClock(), MemoryStateStore()
    await Shelf(store, "sink.v1", clock).park(SENT, HEAR, clock.now(), 1, "")
    assert len(await Shelf(store, "sink.v1", clock, owner="gone/1").due()) == 1
    async with hosted(hearing(attempts), clock=clock, stores={"sink-state": store}) as host:
        await host.until_quiet()
    assert attempts == [1]


async def test_what_is_cut_off_when_the_host_stops_has_not_been_tried() -> None:
    attempts, begun, clock, store = list[int](), asyncio.Event(), FakeClock(), MemoryStateStore()
    service = Service("sink")

    @service.on(TOLD, retry=Retry(attempts=1))
    async def hear() -> None:
        begun.set()
        await asyncio.Event().wait()

    await Shelf(store, "sink.v1", clock).park(SENT, HEAR, clock.now(), 1, "")
    settings = HostSettings(drain_seconds=0)
    host = Host(service, bridge=MemoryBridge(), stores=Stores(lambda _: store), settings=settings, clock=clock)
    await host.start()
    await begun.wait()
    assert await host.stop() == 1
    async with hosted(hearing(attempts), clock=clock, stores={"sink-state": store}) as other:
        await other.until_quiet()
    assert attempts == [1]


async def test_an_outcome_that_could_not_be_written_is_no_end_of_a_process() -> None:
    attempts, clock, store = list[int](), FakeClock(), UnsteadyStore()
    service = Service("sink")

    @service.on(TOLD, retry=Retry(attempts=1))
    async def hear(ctx: Context) -> None:
        attempts.append(ctx.message.attempt)
        store.down = len(attempts) == 1

    await Shelf(store, "sink.v1", clock).park(SENT, HEAR, clock.now(), 1, "")
    async with hosted(service, clock=clock, stores={"sink-state": store}) as host:
        await store.refused.wait()
        store.down = False
        await host.until_quiet()
    assert attempts == [1, 1]


async def test_a_delayed_message_whose_process_ended_before_it_left_leaves() -> None:
    attempts, clock, store = list[int](), FakeClock(), MemoryStateStore()
    await Shelf(store, "sink.v1", clock).post(Outgoing(TOLD.topic, SENT), clock.now())
    assert len(await Shelf(store, "sink.v1", clock, owner="gone/1").due()) == 1
    async with hosted(hearing(attempts), clock=clock, stores={"sink-state": store}) as host:
        await host.until_quiet()
    assert attempts == [1]


async def test_what_is_parked_again_while_it_is_handled_is_handled_again() -> None:
    attempts, clock, store = list[int](), FakeClock(), MemoryStateStore()
    service = Service("sink")

    @service.on(TOLD)
    async def hear(ctx: Context) -> None:
        attempts.append(ctx.message.attempt)
        if len(attempts) == 1:
            await app.host.keepers[0]._shelf.park(SENT, HEAR, clock.now(), 1, "")

    await Shelf(store, "sink.v1", clock).park(SENT, HEAR, clock.now(), 1, "")
    async with hosted(service, clock=clock, stores={"sink-state": store}) as app:
        await app.until_quiet()
    assert attempts == [1, 1]
