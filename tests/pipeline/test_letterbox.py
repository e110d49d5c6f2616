"""A service keeps its dead letters: its own, those that the sidecar set aside, and bytes that are no event at all."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from msgspec import Raw

from pillion import Contract, Retry, Service
from pillion.codec.cloudevents import encode
from pillion.message import Message
from pillion.ports.clock import SystemClock
from pillion.ports.store import StateStore
from pillion.resilience.deadletter import MALFORMED
from pillion.resilience.letters import Letter, Letters
from pillion.service.event import Event
from pillion.service.filter import exact
from pillion.stores.memory import MemoryStateStore
from pillion.testing.harness import hosted
from tests.conformance.daprworld import STATE, DaprdWorld, DaprWorld, FakeWorld
from tests.daprd import require_daprd
from tests.pipeline.unsteady import UnsteadyStore
from tests.profiles import copy_configuration, copy_profile
from tests.servers import Server

TOLD = Contract("source").event("told", int)


def sink(name: str, *events: Event[int]) -> Service:
    """A service that can do nothing; with a rule, the sidecar reads each event of the second and further ones."""
    service = Service(name, state=STATE)
    for number, event in enumerate(events):

        @service.on(
            event, name=f"hear{number}", retry=Retry(attempts=1), where=exact(tenant="acme") if number else None
        )
        async def hear(_: int) -> None:
            raise ValueError("never")

    return service


async def found(store: StateStore, group: str, count: int = 1) -> Sequence[Letter]:
    """The letters of a service, once there are so many."""
    letters = Letters(store, group, SystemClock())
    async with asyncio.timeout(15):
        while len(kept := await letters.list()) < count:  # noqa: ASYNC110 - another process writes
            await asyncio.sleep(0.02)
    return kept


async def test_a_letter_is_kept_with_its_failure() -> None:
    store = MemoryStateStore()
    async with hosted(sink("sink", TOLD), stores={STATE: store}) as host:
        await host.emit(TOLD, 1)
        await host.until_quiet()
    (letter,) = await found(store, "sink.v1")
    assert (letter.subscriber, letter.failure, letter.attempts) == ("sink.v1.hear0", "ValueError", 1)


async def test_a_letter_waits_for_a_store_that_is_away() -> None:
    store = UnsteadyStore()
    async with hosted(sink("sink", TOLD), stores={STATE: store}) as host:
        store.down = True
        await host.emit(TOLD, 1)
        await store.refused.wait()
        store.down = False
        await host.until_quiet()
    assert len(await found(store, "sink.v1")) == 1


@pytest_asyncio.fixture(params=["fake", pytest.param("daprd", marks=[pytest.mark.daprd, pytest.mark.redis])])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[DaprWorld]:
    made: DaprWorld = FakeWorld()
    if request.param == "daprd":
        require_daprd()
        server: Server = request.getfixturevalue("redis_server")
        components = copy_profile("redis", tmp_path, redis=server.address)
        made = DaprdWorld(components, copy_configuration(tmp_path))
    async with made:
        yield made


class TestBesideASidecar:
    async def test_bytes_that_are_no_event_are_kept_as_they_are(self, world: DaprWorld) -> None:
        event, group = await self.started(world)
        await world.publish_raw(event.topic, b"\xff\x00")
        letter, message = await self.kept(world, group)
        assert (letter.type, letter.failure, letter.subscriber) == (MALFORMED, "malformed_event", f"{group}.hear0")
        assert base64.b64decode(message.data_base64 or "") == b"\xff\x00"

    async def test_bytes_that_the_sidecar_cannot_read_are_kept_as_they_are(self, world: DaprWorld) -> None:
        event, group = await self.started(world, ruled=True)
        await world.publish_raw(event.topic, b"\xff\x00")
        letter, message = await self.kept(world, group)
        assert letter.type == MALFORMED
        assert base64.b64decode(message.data_base64 or "") == b"\xff\x00"

    async def test_what_somebody_else_puts_on_the_dead_letter_topic_is_kept(self, world: DaprWorld) -> None:
        _, group = await self.started(world)
        await world.publish_raw(f"{group}.deadletters", b"no event")
        letter, message = await self.kept(world, group)
        assert letter.type == MALFORMED
        assert message.source == f"/{group}.deadletters"

    async def test_what_the_sidecar_sets_aside_names_no_handler(self, world: DaprWorld) -> None:
        event, group = await self.started(world, ruled=True)
        over = datetime.now(UTC) - timedelta(seconds=5)
        expired = Message(
            id="m-1",
            source="/x",
            type=event.topic,
            specversion="1.0",
            tenant_id="acme",
            expiration=over,
            data=Raw(b"1"),
        )
        await world.publish_event(event.topic, encode(expired))
        letter, message = await self.kept(world, group)
        assert (letter.subscriber, letter.failure, letter.message_id) == ("", "", "m-1")
        assert message.json == b"1"

    async def test_a_command_that_nobody_here_knows_waits_for_a_version_that_does(self, world: DaprWorld) -> None:
        name = await self.acting(world)
        send = Message(id="m-1", source="/x", type=f"{name}.v1.later", specversion="1.0", data=Raw(b"1"))
        await world.publish_event(f"{name}.v1.sends", encode(send))
        letter, message = await self.kept(world, f"{name}.v1")
        assert (letter.subscriber, letter.failure, letter.message_id) == (f"{name}.v1.later", "unknown_command", "m-1")
        assert message.json == b"1"

    async def test_a_foreign_message_on_the_topic_of_calls_is_a_letter(self, world: DaprWorld) -> None:
        name = await self.acting(world)
        await world.publish_data(f"{name}.v1.commands", b'{"a": 1}')
        letter, message = await self.kept(world, f"{name}.v1")
        assert (letter.subscriber, letter.failure) == ("", "unknown_command")
        assert json.loads(message.json) == {"a": 1}

    async def test_bytes_on_the_topic_of_calls_are_a_letter(self, world: DaprWorld) -> None:
        name = await self.acting(world)
        await world.publish_raw(f"{name}.v1.commands", b"\xff\x00")
        letter, message = await self.kept(world, f"{name}.v1")
        assert letter.type == MALFORMED
        assert base64.b64decode(message.data_base64 or "") == b"\xff\x00"

    async def test_a_call_that_fails_and_has_no_caller_is_a_letter(self, world: DaprWorld) -> None:
        name = await self.acting(world)
        called = Message(id="m-1", source="/x", type=f"{name}.v1.act", specversion="1.0", data=Raw(b'"no number"'))
        await world.publish_event(f"{name}.v1.commands", encode(called))
        letter, message = await self.kept(world, f"{name}.v1")
        assert (letter.subscriber, letter.failure, letter.message_id) == (f"{name}.v1.act", "invalid_input", "m-1")
        assert message.json == b'"no number"'

    async def acting(self, world: DaprWorld) -> str:
        """A service with one command, which needs a number; its name."""
        name = world.name("sink")
        service = Service(name, state=STATE)

        @service.command
        async def act(_: int) -> None: ...

        await world.start(service)
        return name

    async def started(self, world: DaprWorld, *, ruled: bool = False) -> tuple[Event[int], str]:
        """A service that listens, by the sidecar's rule or to all: an event of its, and its name and version."""
        events = [Contract(world.name("source")).event("told", int) for _ in range(2)]
        service = sink(world.name("sink"), *events)
        await world.start(service)
        return events[ruled], service.group

    async def kept(self, world: DaprWorld, group: str) -> tuple[Letter, Message]:
        """The only letter of the service, and its message."""
        store = await world.store()
        (letter,) = await found(store, group)
        message = await Letters(store, group, SystemClock()).show(letter.id)
        assert message is not None
        return letter, message
