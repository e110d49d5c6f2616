"""What a bridge must do with commands."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from typing_extensions import TypedDict

from pillion.context import Context
from pillion.errors import UnknownCommand
from pillion.service.contract import Contract
from pillion.service.service import Service
from pillion.testing.conformance.world import Note, Seen, World, needs, until_shared


@dataclass
class Point:
    """A payload that is a dataclass."""

    x: int
    y: float


class Label(TypedDict):
    """A payload that is a TypedDict."""

    name: str
    tags: list[str]


PAYLOADS: list[tuple[Any, Any]] = [
    (Note, Note(text="größer\n\u0000😀", number=9_007_199_254_740_993)),
    (Point, Point(x=1, y=0.1)),
    (Label, {"name": "a", "tags": ["b", "c"]}),
    (list[Note], [Note(text="a"), Note(text="b")]),
    (dict[str, int], {"a": 1}),
    (int, 123_456_789_012_345_678_901_234_567_890),
    (float, 0.1),
    (str, 'quote " and \\ and </script>'),
    (bool, False),
    (Decimal, Decimal("0.10")),
    (datetime, datetime(2027, 1, 1, 12, 30, tzinfo=UTC)),
    (None, None),
    (bytes, bytes(range(256))),
    (bytes, b""),
    (Note | None, None),
]


class Calls:
    """Commands are answered, typed, whoever starts first."""

    @pytest.mark.parametrize(("type_", "value"), PAYLOADS, ids=lambda item: str(item)[:30])
    async def test_a_payload_arrives_and_comes_back_as_it_was(self, world: World, type_: Any, value: Any) -> None:
        contract, got = Contract(world.name("mirror")), Seen[Any]()
        reflect = contract.command("reflect", type_, type_)
        mirror = Service(contract)

        @mirror.handles(reflect)
        async def handle(payload):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            got.add(payload)
            return payload

        host = await world.start(mirror)
        assert await host.call(reflect, value) == value
        assert got.items == [value]

    async def test_a_service_may_call_itself(self, world: World) -> None:
        service = Service(world.name("mirror"))

        @service.command
        async def inner(number: int) -> int:
            return number

        @service.command(calls=[inner])
        async def outer(ctx: Context, number: int) -> int:
            return await ctx.call(inner, number)

        host = await world.start(service)
        # Several: on a broker with partitions the inner call meets the outer one in one of them.
        assert [await host.call(outer, number, timeout=15) for number in range(8)] == list(range(8))

    async def test_a_service_calls_another_in_another_host(self, world: World) -> None:
        contract, front = Contract(world.name("back")), Service(world.name("front"))
        double, back = contract.command("double", int, int), Service(contract)

        @back.handles(double)
        async def times_two(number: int) -> int:
            return number * 2

        @front.command(calls=[double])
        async def quadruple(ctx: Context, number: int) -> int:
            return await ctx.call(double, await ctx.call(double, number))

        await world.start(back)
        host = await world.start(front)
        assert await host.call(quadruple, 5) == 20

    async def test_services_of_one_host_call_each_other(self, world: World) -> None:
        front, back = Service(world.name("front")), Service(world.name("back"))

        @back.command
        async def triple(number: int) -> int:
            return number * 3

        @front.command(calls=[triple])
        async def ask(ctx: Context, number: int) -> int:
            return await ctx.call(triple, number)

        host = await world.start(front, back)
        assert await host.call(ask, 2) == 6

    async def test_a_callee_may_start_last(self, world: World) -> None:
        needs(world, "memory-of-the-unheard")
        front, back = Service(world.name("front")), Service(world.name("back"))

        @back.command
        async def answer() -> str:
            return "here I am"

        @front.command(calls=[answer])
        async def ask(ctx: Context) -> str:
            return await ctx.call(answer, None)

        host = await world.start(front)
        asked = asyncio.ensure_future(host.call(ask, None))
        await asyncio.wait([asked], timeout=0)
        await world.start(back)
        assert await asked == "here I am"

    async def test_a_callee_may_be_away_for_a_while(self, world: World) -> None:
        front, back = Service(world.name("front")), Service(world.name("back"))

        @back.command
        async def answer(number: int) -> int:
            return number

        @front.command(calls=[answer])
        async def ask(ctx: Context, number: int) -> int:
            return await ctx.call(answer, number)

        host, first = await world.start(front), await world.start(back)
        assert await host.call(ask, 1) == 1
        await world.stop(first)
        asked = asyncio.ensure_future(host.call(ask, 2))
        await world.start(back)
        assert await asked == 2

    async def test_many_calls_at_once_get_their_own_answers(self, world: World) -> None:
        service = Service(world.name("echo"))

        @service.command
        async def echo(number: int) -> int:
            await asyncio.sleep(0)
            return number

        host = await world.start(service)
        answers = await asyncio.gather(*(host.call(echo, number) for number in range(200)))
        assert answers == list(range(200))

    async def test_two_instances_share_the_calls(self, world: World) -> None:
        needs(world, "second instance of an app")
        contract = Contract(world.name("pair"))
        work = contract.command("work", int, int)
        done, workers = Seen[int](), set[int]()

        def build(instance: int) -> Service:
            service = Service(contract)

            @service.handles(work)
            async def handle(number: int) -> int:
                workers.add(instance)
                done.add(number)
                return number

            return service

        await world.start(build(1))
        await world.start(build(2))
        host = await world.start(Service(world.name("asking")))
        await until_shared(lambda number: host.call(work, number), workers)
        answers = await asyncio.gather(*(host.call(work, number) for number in range(40)))
        await world.quiet()
        assert list(answers) == sorted(number for number in done.items if number >= 0) == list(range(40))

    async def test_a_handler_without_await_runs_in_a_thread(self, world: World) -> None:
        service, contract = Service(world.name("sync")), Contract(world.name("sync"))
        told = contract.event("told", int)

        @service.command(emits=[told])
        def where(ctx: Context, number: int) -> str:
            ctx.emit(told, number)
            return threading.current_thread().name

        host = await world.start(service)
        assert await host.call(where, 1) != threading.current_thread().name

    async def test_a_command_that_the_service_does_not_have_is_unknown(self, world: World) -> None:
        name = world.name("old")
        service, newer = Service(name), Contract(name)
        added = newer.command("added", int, int)

        @service.command
        async def known() -> None:
            return None

        host = await world.start(service)
        await host.call(known, None)
        with pytest.raises(UnknownCommand) as caught:
            await host.call(added, 1)
        assert caught.value.command == added.address

    async def test_versions_run_side_by_side(self, world: World) -> None:
        name = world.name("versioned")
        first, second = Service(name, version=1), Service(name, version=2)

        @first.command(name="greet")
        async def greet(name: str) -> str:
            return f"Hello, {name}"

        @second.command(name="greet")
        async def greet_by_number(number: int) -> list[str]:
            return [f"Hello, number {number}"]

        host = await world.start(first, second)
        assert await host.call(greet, "Ada") == "Hello, Ada"
        assert await host.call(greet_by_number, 7) == ["Hello, number 7"]
