"""What handlers with ``once=`` promise: effects once for each message, and state and messages together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from pillion.context import Context
from pillion.errors import BridgeError, PillionError
from pillion.outcome import Retry
from pillion.ports.bridge import Outgoing
from pillion.service.contract import Contract
from pillion.service.event import Event
from pillion.service.service import Service
from pillion.state import State
from pillion.testing.conformance.foreign import envelope
from pillion.testing.conformance.world import Publish, Seen, World, eventually, needs, until_shared


class Died(PillionError):
    """Neither accepted nor refused: the process is gone in the middle of publishing."""


async def add(state: State, number: int) -> int:
    """Add to a total that others change at the same time."""
    item = await state.get_item("total", int)
    total = number + (item.value if item else 0)
    await state.set("total", total, etag=item.etag if item else None, first_write=True)
    return total


def failing(event: Event[Any], error: PillionError) -> Any:
    """Publishing that fails the first time this event is to leave."""
    errors = [error]

    def around(publish: Publish) -> Publish:
        async def fail_first(messages: Sequence[Outgoing]) -> None:
            if errors and any(outgoing.topic == event.topic for outgoing in messages):
                raise errors.pop()
            await publish(messages)

        return fail_first

    return around


class Counting:
    """A service that adds up what it hears, and tells what it has added.

    Attributes:
        told: what it listens to.
        runs: the numbers that its handler was run with.
        heard: what it emitted, as it came back.
        hearers: the instances that it came back to.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._contract = contract = Contract(world.name("counter"))
        self.told, self.added = contract.event("told", int), contract.event("added", int)
        self.runs, self.heard, self.hearers = Seen[int](), Seen[int](), set[int]()

    def service(self) -> Service[Any, Any]:
        """Another instance of it."""
        service = Service(self._contract, state=self._world.state)

        @service.on(self.told, emits=[self.added], once=True, retry=Retry(attempts=1))
        async def count(ctx: Context, number: int) -> None:
            self.runs.add(number)
            await add(ctx.state, number)
            ctx.emit(self.added, number)
            await asyncio.sleep(0.02)
            if number < 0:
                raise ConnectionError(number)

        @service.on(self.added)
        async def hear(number: int) -> None:
            self.hearers.add(id(service))
            self.heard.add(number)

        return service

    async def tell(self, number: int, id_: str) -> None:
        """Publish an event with this id, perhaps not for the first time."""
        await self._world.publish_event(self.told.topic, envelope(self.told.address, number, id=id_))

    async def total(self) -> int:
        """What it has added up, by its state."""
        return await State(await self._world.store(), scope=f"{self._contract.name}.").get("total", int) or 0


class Once:
    """A message that comes again has no second effect, whoever it comes to; nobody's changes are lost."""

    async def test_an_event_that_comes_again_has_no_second_effect(self, world: World) -> None:
        counting = Counting(world)
        await world.start(counting.service())
        await counting.tell(5, "first")
        await counting.heard.wait()
        await counting.tell(5, "first")
        await counting.tell(7, "second")
        await counting.heard.wait(2)
        await world.quiet()
        assert (counting.runs.items, counting.heard.items) == ([5, 7], [5, 7])
        assert await counting.total() == 12

    async def test_many_of_one_event_at_once_have_one_effect(self, world: World) -> None:
        counting = Counting(world)
        await world.start(counting.service())
        await asyncio.gather(*(counting.tell(5, "same") for _ in range(20)))
        await counting.heard.wait()
        await world.quiet()
        assert (counting.heard.items, await counting.total()) == ([5], 5)

    async def test_instances_know_what_the_others_handled_and_lose_none_of_their_changes(self, world: World) -> None:
        needs(world, "second instance of an app")
        counting = Counting(world)
        await world.start(counting.service())
        await world.start(counting.service())

        async def tell_nothing(number: int) -> None:
            before = len(counting.heard.items)
            await counting.tell(0, f"nothing{number}")
            await counting.heard.wait(before + 1)

        await until_shared(tell_nothing, counting.hearers)
        twice = [*range(1, 11), *range(1, 11)]
        await asyncio.gather(*(counting.tell(number, f"event-{number}") for number in twice))
        await counting.heard.until(lambda items: set(twice).issubset(items))
        await world.quiet()
        assert sorted(number for number in counting.heard.items if number) == list(range(1, 11))
        assert await counting.total() == 55

    async def test_a_handler_that_fails_leaves_nothing(self, world: World) -> None:
        counting = Counting(world)
        await world.start(counting.service())
        await counting.tell(-1, "bad")
        await counting.tell(3, "good")
        await counting.heard.wait()
        await counting.runs.wait(2)
        await world.quiet()
        assert sorted(counting.runs.items) == [-1, 3]
        assert (counting.heard.items, await counting.total()) == ([3], 3)

    @pytest.mark.parametrize("error", [BridgeError("no"), Died("gone")], ids=["refused", "died"])
    async def test_what_was_recorded_leaves_though_it_could_not_at_first(
        self, world: World, error: PillionError
    ) -> None:
        counting = Counting(world)
        host = await world.start(counting.service(), publishing=failing(counting.added, error))
        await host.emit(counting.told, 5)
        await counting.heard.wait()
        await world.quiet()
        assert (counting.runs.items, counting.heard.items) == ([5], [5])
        assert await counting.total() == 5

    async def test_a_handler_reads_what_it_wrote(self, world: World) -> None:
        service = Service(world.name("notes"), state=world.state)

        @service.command(once=True)
        async def write(ctx: Context, text: str) -> list[str | None]:
            found = []
            for change in (text, None, text + "!"):
                await (ctx.state.delete("note") if change is None else ctx.state.set("note", change))
                found.append(await ctx.state.get("note", str))
            return found

        host = await world.start(service)
        assert await host.call(write, "a") == ["a", None, "a!"]

        async def stored() -> str | None:
            return await State(await world.store(), scope=f"{service.name}.").get("note", str)

        assert await eventually(stored) == "a!"
