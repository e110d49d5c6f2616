"""What a host must do with a service's dead letters: keep them where they are found, and replay them to one handler."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence

import pytest

from pillion.context import Context
from pillion.outcome import Retry
from pillion.ports.clock import SystemClock
from pillion.resilience.deadletter import MALFORMED
from pillion.resilience.letters import Letter
from pillion.resilience.letters import Letters as Kept
from pillion.resilience.shelf import Shelf
from pillion.service.contract import Contract
from pillion.service.service import Service
from pillion.testing.conformance.world import CAUSE, Note, Seen, World, eventually


class Letters:
    """Dead letters are in the service's store, with all they had, until somebody has seen to them."""

    async def test_a_dead_letter_is_kept_with_everything(self, world: World) -> None:
        contract, sink = Contract(world.name("source")), Contract(world.name("sink"))
        told, service = contract.event("told", Note), Service(sink, state=world.state)

        @service.on(told, retry=Retry(attempts=2, backoff="1ms"))
        async def fail(note: Note) -> None:
            raise ConnectionError(note.text)

        host = await world.start(service)
        note = Note(text="ü", number=2**60 + 1)
        await host.emit(told, note, key="key-1", cause=CAUSE)
        kept = Kept(await world.store(), sink.group, SystemClock())
        letter = (await eventually(kept.list))[0]
        assert (letter.subscriber, letter.failure, letter.attempts) == (f"{sink.group}.fail", "ConnectionError", 2)
        assert (letter.title, letter.correlation_id) == ("failed 2 times: ConnectionError: ü", "correlation-1")
        message = await kept.show(letter.id)
        assert message is not None
        assert (message.id, message.type) == (letter.message_id, told.address)
        assert told.payload.decode(message) == note
        assert (message.subject, message.tenant_id, message.principal_id) == ("key-1", "acme", "ada")

    async def test_poison_is_kept_as_it_came(self, world: World) -> None:
        contract, sink = Contract(world.name("source")), Contract(world.name("sink"))
        told, service = contract.event("told", Note), Service(sink, state=world.state)

        @service.on(told)
        async def hear(_: Note) -> None:
            raise AssertionError("it must not be run")

        await world.start(service)
        await world.publish_raw(told.topic, b"\xff no event")
        kept = Kept(await world.store(), sink.group, SystemClock())
        letter = (await eventually(kept.list))[0]
        message = await kept.show(letter.id)
        assert letter.type == MALFORMED
        assert message is not None
        assert base64.b64decode(message.data_base64 or "") == b"\xff no event"

    @pytest.mark.parametrize("topic", ["topic", "send_topic"])
    async def test_what_is_no_command_is_kept_as_it_came(self, world: World, topic: str) -> None:
        sink = Contract(world.name("sink"))
        service = Service(sink, state=world.state)

        @service.command
        async def work(_: Note) -> None:
            raise AssertionError("it must not be run")

        await world.start(service)
        await world.publish_raw(getattr(work, topic), b"\xff no event")
        kept = Kept(await world.store(), sink.group, SystemClock())
        letter = (await eventually(kept.list))[0]
        message = await kept.show(letter.id)
        assert letter.type == MALFORMED
        assert message is not None
        assert base64.b64decode(message.data_base64 or "") == b"\xff no event"

    async def test_a_replay_reaches_only_the_handler_that_failed(self, world: World) -> None:
        contract, sink = Contract(world.name("source")), Contract(world.name("sink"))
        told, service, other = contract.event("told", int), Service(sink, state=world.state), Service(world.name("b"))
        heard, broken = Seen[tuple[str, int, int]](), asyncio.Event()

        @service.on(told, retry=Retry(attempts=2, backoff="1ms"))
        async def fail(ctx: Context, number: int) -> None:
            heard.add(("fail", number, ctx.message.attempt))
            if not broken.is_set():
                raise ConnectionError

        @service.on(told)
        async def succeed(number: int) -> None:
            heard.add(("succeed", number, 1))

        @other.on(told)
        async def listen(number: int) -> None:
            heard.add(("listen", number, 1))

        await world.start(other)
        host = await world.start(service)
        await host.emit(told, 7)
        store = await world.store()
        kept, shelf = Kept(store, sink.group, SystemClock()), Shelf(store, sink.group, SystemClock())
        found: Sequence[Letter] = await eventually(kept.list)
        assert sorted(await heard.wait(4)) == [("fail", 7, 1), ("fail", 7, 2), ("listen", 7, 1), ("succeed", 7, 1)]
        broken.set()
        await kept.replay([found[0].id], shelf)
        assert (await heard.wait(5))[4] == ("fail", 7, 1)
        await world.quiet()
        assert (len(heard.items), await kept.list()) == (5, [])

    async def test_what_is_replayed_and_fails_again_is_a_letter_again(self, world: World) -> None:
        contract, sink = Contract(world.name("source")), Contract(world.name("sink"))
        told, service = contract.event("told", int), Service(sink, state=world.state)

        @service.on(told, retry=Retry(attempts=1))
        async def fail(ctx: Context, _: int) -> None:
            raise ConnectionError(f"after {ctx.message.replays or 0} replays")

        host = await world.start(service)
        await host.emit(told, 7)
        store = await world.store()
        kept, shelf = Kept(store, sink.group, SystemClock()), Shelf(store, sink.group, SystemClock())
        first: Sequence[Letter] = await eventually(kept.list)
        await kept.replay([first[0].id], shelf)
        # A broker that drops what it has seen must not take this letter for the first one.
        again: Sequence[Letter] = await eventually(kept.list)
        assert (again[0].id, again[0].title) == (first[0].id, "failed 1 times: ConnectionError: after 1 replays")
