"""What a bridge must do with events and sends that go wrong."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from pillion.context import Context
from pillion.errors import Failure, Unavailable
from pillion.message import Message
from pillion.outcome import DeadLetter, Drop, Retry
from pillion.service.contract import Contract
from pillion.service.event import Event, foreign_event
from pillion.service.service import Service
from pillion.testing.conformance.world import CAUSE, Note, Seen, World

QUICK = Retry(attempts=3, backoff="1ms..2ms")


class Refused(Failure):
    """It will never work."""

    status = 409
    why: str


class Letter(NamedTuple):
    """A dead letter and its data."""

    message: Message
    data: Any


def reader(world: World, contract: Contract) -> tuple[Service[Any, Any], Seen[Letter]]:
    """A service that reads another's dead letters."""
    service, letters = Service(world.name("reader")), Seen[Letter]()
    topic: Event[Any] = foreign_event(contract.dead_letter_topic, object)

    @service.on(topic)
    async def read(ctx: Context) -> None:
        # Without a payload, so that letters whose data are no JSON can be read too.
        letters.add(Letter(ctx.message, json.loads(ctx.message.json or b"null")))

    return service, letters


class Retries:
    """A failing handler is tried again, within bounds; what still fails is set aside with the reason."""

    async def test_a_failing_handler_is_tried_again_and_counts_its_attempts(self, world: World) -> None:
        contract, attempts = Contract(world.name("source")), Seen[int]()
        told, service = contract.event("told", int), Service(world.name("sink"))

        @service.on(told, retry=QUICK)
        async def fail_twice(ctx: Context, number: int) -> None:
            attempts.add(ctx.message.attempt)
            if len(attempts.items) < 3:
                raise ConnectionError(number)

        host = await world.start(service)
        await host.emit(told, 1)
        assert await attempts.wait(3) == [1, 2, 3]
        await world.quiet()
        assert len(attempts.items) == 3

    async def test_raising_retry_says_when(self, world: World) -> None:
        contract, attempts = Contract(world.name("source")), Seen[int]()
        told, service = contract.event("told", int), Service(world.name("sink"))

        @service.on(told, retry=Retry(attempts=2, backoff="60s"))
        async def fail_once(number: int) -> None:
            attempts.add(number)
            if len(attempts.items) < 2:
                raise Retry("not yet", after=0.01)

        host = await world.start(service)
        await host.emit(told, 1)
        assert await attempts.wait(2) == [1, 1]

    async def test_what_a_failed_attempt_emitted_never_leaves(self, world: World) -> None:
        contract, heard = Contract(world.name("source")), Seen[int]()
        told, echoed = contract.event("told", int), contract.event("echoed", int)
        service = Service(world.name("sink"))
        attempts = Seen[int]()

        @service.on(told, retry=QUICK, emits=[echoed])
        async def fail_once(ctx: Context, number: int) -> None:
            attempts.add(number)
            ctx.emit(echoed, len(attempts.items))
            if len(attempts.items) < 2:
                raise ConnectionError

        @service.on(echoed)
        async def hear(number: int) -> None:
            heard.add(number)

        host = await world.start(service)
        await host.emit(told, 1)
        await heard.wait()
        await world.quiet()
        assert heard.items == [2]

    async def test_used_up_attempts_end_as_a_dead_letter_that_has_everything(self, world: World) -> None:
        contract, sink = Contract(world.name("source")), Contract(world.name("sink"))
        told, service = contract.event("told", Note), Service(sink)
        originals = Seen[Message]()

        @service.on(told, retry=QUICK)
        async def fail(ctx: Context, note: Note) -> None:
            originals.add(ctx.message)
            raise ConnectionError(note.text)

        read, letters = reader(world, sink)
        await world.start(read)
        host = await world.start(service)
        await host.emit(told, Note(text="ü", number=2**60 + 1), key="key-1", cause=CAUSE)
        letter, data = (await letters.wait())[0]
        original = originals.items[0]
        assert data == {"text": "ü", "number": 2**60 + 1}
        assert letter.json == original.json
        assert (letter.type, letter.source) == (told.address, original.source)
        assert letter.id == f"{original.id}/{letter.subscriber}"
        assert (letter.correlation_id, letter.tenant_id, letter.subject) == ("correlation-1", "acme", "key-1")
        assert (letter.subscriber, letter.attempt) == (f"{sink.group}.fail", 3)
        assert (letter.failure_code, letter.failure_title) == ("ConnectionError", "failed 3 times: ConnectionError: ü")
        await world.quiet()
        assert (len(originals.items), len(letters.items)) == (3, 1)

    async def test_a_failure_that_is_not_retryable_is_a_dead_letter_at_once(self, world: World) -> None:
        contract, sink = Contract(world.name("source")), Contract(world.name("sink"))
        told, service, attempts = contract.event("told", int), Service(sink), Seen[int]()

        @service.on(told, retry=QUICK)
        async def fail(number: int) -> None:
            attempts.add(number)
            raise Refused(why="never") if number == 1 else Unavailable(reason="later")

        read, letters = reader(world, sink)
        await world.start(read)
        host = await world.start(service)
        await host.emit(told, 1)
        letter = (await letters.wait(1))[0].message
        assert (letter.failure_code, letter.failure_status, letter.attempt) == ("refused", 409, 1)
        await host.emit(told, 2)
        letter = (await letters.wait(2))[1].message
        assert (letter.failure_code, letter.attempt) == ("unavailable", 3)
        assert attempts.items == [1, 2, 2, 2]

    async def test_raising_drop_forgets_the_message(self, world: World) -> None:
        contract, sink = Contract(world.name("source")), Contract(world.name("sink"))
        told, service, attempts = contract.event("told", int), Service(sink), Seen[int]()

        @service.on(told, retry=QUICK)
        async def drop(number: int) -> None:
            attempts.add(number)
            raise Drop("pointless")

        read, letters = reader(world, sink)
        await world.start(read)
        host = await world.start(service)
        await host.emit(told, 1)
        await attempts.wait()
        await world.quiet()
        assert (attempts.items, letters.items) == ([1], [])

    async def test_raising_dead_letter_sets_the_message_aside_at_once(self, world: World) -> None:
        contract, sink = Contract(world.name("source")), Contract(world.name("sink"))
        told, service, attempts = contract.event("told", int), Service(sink), Seen[int]()

        @service.on(told, retry=QUICK)
        async def refuse(number: int) -> None:
            attempts.add(number)
            raise DeadLetter("somebody has to look at it")

        read, letters = reader(world, sink)
        await world.start(read)
        host = await world.start(service)
        await host.emit(told, 1)
        letter = (await letters.wait())[0].message
        assert (letter.failure_code, letter.failure_title) == ("rejected", "somebody has to look at it")
        assert attempts.items == [1]

    async def test_each_handler_that_fails_with_an_event_has_a_dead_letter(self, world: World) -> None:
        contract, sink = Contract(world.name("source")), Contract(world.name("sink"))
        told, service = contract.event("told", int), Service(sink)

        @service.on(told, retry=Retry(attempts=1))
        async def one(number: int) -> None:
            raise ConnectionError(number)

        @service.on(told, retry=Retry(attempts=1))
        async def other(number: int) -> None:
            raise ConnectionError(number)

        read, letters = reader(world, sink)
        await world.start(read)
        host = await world.start(service)
        await host.emit(told, 1)
        found = {letter.subscriber for letter, _ in await letters.wait(2)}
        assert found == {f"{sink.group}.one", f"{sink.group}.other"}

    async def test_without_dead_letters_what_fails_is_dropped(self, world: World) -> None:
        contract, sink = Contract(world.name("source")), Contract(world.name("sink"))
        told, service, attempts = contract.event("told", int), Service(sink), Seen[int]()

        @service.on(told, retry=QUICK, dead_letter=False)
        async def fail(number: int) -> None:
            attempts.add(number)
            raise ConnectionError

        read, letters = reader(world, sink)
        await world.start(read)
        host = await world.start(service)
        await host.emit(told, 1)
        await attempts.wait(3)
        await world.quiet()
        assert (attempts.items, letters.items) == ([1, 1, 1], [])

    @pytest.mark.parametrize("failures", [1, 10], ids=["well in the end", "never well"])
    async def test_a_send_is_tried_again_and_then_set_aside(self, world: World, failures: int) -> None:
        contract, attempts = Contract(world.name("back")), Seen[int]()
        work, service = contract.command("work", int), Service(contract)

        @service.handles(work)
        async def handle(number: int) -> None:
            attempts.add(number)
            if len(attempts.items) <= failures:
                raise Retry("not yet", after=0.001)

        read, letters = reader(world, contract)
        await world.start(read)
        host = await world.start(service)
        await host.send(work, 1)
        if failures == 1:
            assert await attempts.wait(2) == [1, 1]
            await world.quiet()
            assert letters.items == []
        else:
            letter, data = (await letters.wait())[0]
            assert (letter.type, letter.subscriber, letter.attempt, data) == (work.address, work.address, 5, 1)
            assert len(attempts.items) == 5

    async def test_one_bad_event_holds_up_no_other(self, world: World) -> None:
        contract, heard, attempts = Contract(world.name("source")), Seen[int](), Seen[int]()
        told, service = contract.event("told", int), Service(world.name("sink"), state=world.state)

        @service.on(told, retry=Retry(attempts=2, backoff="18s", jitter=0), dead_letter=False)
        async def fail_on_zero(ctx: Context, number: int) -> None:
            if number == 0:
                attempts.add(ctx.message.attempt)
                raise ConnectionError
            heard.add(number)

        host = await world.start(service, drain_seconds=0)
        for number in range(10):
            await host.emit(told, number)
        assert sorted(await heard.wait(9)) == list(range(1, 10))
        # The bad one may come last, but it was not waited for.
        assert 2 not in attempts.items
