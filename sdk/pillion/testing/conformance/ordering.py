"""What a bridge that keeps order must do with messages of one key; one that does not says so at start."""

from __future__ import annotations

import asyncio

import pytest

from pillion.errors import ConfigurationError
from pillion.outcome import Retry
from pillion.service.contract import Contract
from pillion.service.service import Service
from pillion.testing.conformance.world import Note, Seen, World, needs

ORDER = "order by key"


def of(notes: Seen[Note], key: str) -> list[int]:
    """The numbers that were noted with this text."""
    return [note.number for note in notes.items if note.text == key]


class Ordering:
    """Messages of one key are handled in their order, also when one fails; other keys do not wait for them."""

    async def test_order_that_the_broker_does_not_keep_is_refused_at_start(self, world: World) -> None:
        if ORDER not in world.lacks:
            pytest.skip("this world keeps order")
        told, service = Contract(world.name("source")).event("told", Note), Service(world.name("sink"))

        @service.on(told, key="subject")
        async def hear(_: Note) -> None:
            raise AssertionError("it must not be run")

        with pytest.raises(ConfigurationError, match="order"):
            await world.start(service)

    async def test_events_of_one_key_keep_their_order_while_one_is_tried_again(self, world: World) -> None:
        needs(world, ORDER)
        contract, heard, failed = Contract(world.name("source")), Seen[Note](), Seen[Note]()
        told = contract.event("told", Note, key=lambda note: note.text)
        service = Service(world.name("sink"), state=world.state)

        @service.on(told, key="subject", retry=Retry(attempts=3))
        async def hear(note: Note) -> None:
            if note.number % 3 == 0 and note not in failed.items:
                failed.add(note)
                raise Retry("not yet", after=0.03)
            heard.add(note)

        host = await world.start(service)
        for number in range(10):
            for key in "abc":
                await host.emit(told, Note(text=key, number=number))
        await heard.wait(30)
        assert [of(heard, key) for key in "abc"] == [list(range(10))] * 3
        assert len(failed.items) == 12

    async def test_a_key_that_waits_holds_up_no_other_key(self, world: World) -> None:
        needs(world, ORDER)
        contract, heard, gate = Contract(world.name("source")), Seen[Note](), asyncio.Event()
        told = contract.event("told", Note)
        service = Service(world.name("sink"), state=world.state)

        @service.on(told, key=lambda note: note.text, retry=Retry(attempts=1000))
        async def hear(note: Note) -> None:
            if note.text == "slow" and not gate.is_set():
                raise Retry("not yet", after=0.2)
            heard.add(note)

        host = await world.start(service, longest_wait=0.05)
        for number in range(3):
            await host.emit(told, Note(text="slow", number=number), key="one partition")
            await host.emit(told, Note(text="quick", number=number), key="one partition")
        await heard.wait(3)
        assert (of(heard, "quick"), of(heard, "slow")) == ([0, 1, 2], [])
        gate.set()
        await heard.wait(6)
        assert of(heard, "slow") == [0, 1, 2]

    async def test_parked_keys_keep_their_order(self, world: World) -> None:
        needs(world, ORDER)
        contract, heard, failed = Contract(world.name("source")), Seen[Note](), Seen[Note]()
        told, gate = contract.event("told", Note, key=lambda note: note.text), asyncio.Event()
        service = Service(world.name("sink"), state=world.state)

        @service.on(told, key="subject", retry=Retry(attempts=1000))
        async def hear(note: Note) -> None:
            if note == Note(text="a", number=0) and not gate.is_set():
                raise Retry("not yet", after=0.2)
            if note == Note(text="a", number=2) and not failed.items:
                failed.add(note)
                raise Retry("not yet", after=0.4)
            heard.add(note)

        host = await world.start(service, longest_wait=0.05)
        for number in range(5):
            await host.emit(told, Note(text="a", number=number))
        await host.emit(told, Note(text="b", number=0))
        assert await heard.wait() == [Note(text="b", number=0)]
        gate.set()
        await heard.wait(6)
        assert of(heard, "a") == [0, 1, 2, 3, 4]

    async def test_a_parked_key_keeps_its_order_over_a_restart(self, world: World) -> None:
        needs(world, ORDER)
        contract, heard, failed = Contract(world.name("source")), Seen[Note](), Seen[Note]()
        told = contract.event("told", Note, key=lambda note: note.text)
        service = Service(world.name("sink"), state=world.state)

        @service.on(told, key="subject")
        async def hear(note: Note) -> None:
            if not failed.items:
                failed.add(note)
                raise Retry("not yet", after=1.0)
            heard.add(note)

        host = await world.start(service, longest_wait=0.05)
        await host.emit(told, Note(text="a", number=0))
        await failed.wait()
        await world.quiet()
        await world.stop(host)
        host = await world.start(service, longest_wait=0.05)
        for number in range(1, 4):
            await host.emit(told, Note(text="a", number=number))
        await heard.wait(4)
        assert of(heard, "a") == [0, 1, 2, 3]

    async def test_events_without_a_key_have_no_order_and_are_handled(self, world: World) -> None:
        needs(world, ORDER)
        contract, heard = Contract(world.name("source")), Seen[int]()
        told, service = contract.event("told", int), Service(world.name("sink"), state=world.state)

        @service.on(told, key="subject")
        async def hear(number: int) -> None:
            heard.add(number)

        host = await world.start(service)
        for number in range(10):
            await host.emit(told, number)
        assert sorted(await heard.wait(10)) == list(range(10))
