"""What a bridge must do with events and sends that go well."""

from __future__ import annotations

import asyncio

import pytest

from pillion.context import Context
from pillion.errors import Failure, InternalError
from pillion.message import Message
from pillion.service.command import CommandFailed
from pillion.service.contract import Contract
from pillion.service.service import Service
from pillion.telemetry.logs import trace_id
from pillion.testing.conformance.world import CAUSE, TRACE, Note, Seen, World, needs, until_shared


class OutOfStock(Failure):
    """There is none left."""

    status = 409
    item: str


class Events:
    """What is emitted reaches whoever listens, when the handler succeeded."""

    async def test_an_event_reaches_each_service_that_listens(self, world: World) -> None:
        contract, heard = Contract(world.name("source")), Seen[tuple[str, Note]]()
        told, note = contract.event("told", Note), Note(text="hi", number=2**60 + 1)

        def build(word: str) -> Service:
            service = Service(world.name(word))

            @service.on(told)
            async def listen(note: Note) -> None:
                heard.add((word, note))

            return service

        host, _ = await world.start(build("one")), await world.start(build("two"))
        await host.emit(told, note)
        assert sorted(await heard.wait(2), key=lambda item: item[0]) == [("one", note), ("two", note)]

    async def test_what_is_emitted_leaves_only_after_the_handler_succeeded(self, world: World) -> None:
        contract, heard, order = Contract(world.name("source")), Seen[int](), Seen[str]()
        told, service = contract.event("told", int), Service(world.name("sink"))

        @service.command(emits=[told])
        async def tell(ctx: Context, number: int) -> None:
            ctx.emit(told, number)
            await asyncio.sleep(0.02)
            order.add("handled")

        @service.on(told)
        async def hear(number: int) -> None:
            order.add("heard")
            heard.add(number)

        host = await world.start(service)
        await host.call(tell, 1)
        assert await heard.wait() == [1]
        assert order.items == ["handled", "heard"]

    @pytest.mark.parametrize("error", [OutOfStock(item="tea"), KeyError("tea")], ids=["failure", "error"])
    async def test_nothing_leaves_when_the_handler_fails(self, world: World, error: Exception) -> None:
        contract, heard = Contract(world.name("source")), Seen[int]()
        told, service = contract.event("told", int), Service(world.name("sink"))

        @service.command(raises=[OutOfStock], emits=[told])
        async def tell(ctx: Context, number: int) -> None:
            ctx.emit(told, number)
            raise error

        @service.on(told)
        async def hear(number: int) -> None:
            heard.add(number)

        host = await world.start(service)
        with pytest.raises((OutOfStock, InternalError)):
            await host.call(tell, 1)
        await world.quiet()
        assert heard.items == []

    async def test_a_success_event_carries_the_answer(self, world: World) -> None:
        contract, heard = Contract(world.name("notes")), Seen[Note]()
        written = contract.event("written", Note)
        write = contract.command("write", str, Note, emits_result=written)
        service = Service(contract)

        @service.handles(write)
        async def handle(text: str) -> Note:
            return Note(text=text)

        @service.on(written)
        async def hear(note: Note) -> None:
            heard.add(note)

        host = await world.start(service)
        assert [await host.call(write, "a")] == await heard.wait()

    async def test_a_service_reacts_to_how_another_services_command_went(self, world: World) -> None:
        contract, went = Contract(world.name("stock")), Seen[object]()
        take = contract.command("take", str, int, raises=[OutOfStock], announced=True)
        stock, watcher = Service(contract), Service(world.name("watcher"))

        @stock.handles(take)
        async def handle(item: str) -> int:
            if item == "tea":
                raise OutOfStock(item=item)
            return 3

        @watcher.on(take.succeeded)
        async def well(left: int) -> None:
            went.add(left)

        @watcher.on(take.failed)
        async def badly(failed: CommandFailed) -> None:
            went.add(failed)

        await world.start(watcher)
        host = await world.start(stock)
        await host.call(take, "coffee")
        assert await went.wait(1) == [3]
        with pytest.raises(OutOfStock):
            await host.call(take, "tea")
        failed = (await went.wait(2))[1]
        assert failed == CommandFailed(
            code="out_of_stock", status=409, title="There is none left.", data={"item": "tea"}
        )

    async def test_a_broadcast_reaches_every_instance(self, world: World) -> None:
        needs(world, "second instance of an app")
        contract, heard = Contract(world.name("source")), Seen[int]()
        told = contract.event("told", str)
        name = world.name("cache")

        def build(instance: int) -> Service:
            service = Service(name)

            @service.on(told, broadcast=True)
            async def forget(text: str) -> None:
                assert text == "flush"
                heard.add(instance)

            return service

        host, _ = await world.start(build(1)), await world.start(build(2))
        await host.emit(told, "flush")
        assert sorted(await heard.wait(2)) == [1, 2]
        await world.quiet()
        assert sorted(heard.items) == [1, 2]

    async def test_instances_share_the_events(self, world: World) -> None:
        needs(world, "second instance of an app")
        contract, heard, workers = Contract(world.name("source")), Seen[int](), set[int]()
        told, name = contract.event("told", int), world.name("worker")

        def build(instance: int) -> Service:
            service = Service(name)

            @service.on(told)
            async def work(number: int) -> None:
                workers.add(instance)
                heard.add(number)

            return service

        host, _ = await world.start(build(1)), await world.start(build(2))

        async def tell(number: int) -> None:
            await host.emit(told, number)
            await heard.until(lambda items: number in items)

        await until_shared(tell, workers)
        for number in range(40):
            await host.emit(told, number)
        await heard.until(lambda items: set(range(40)).issubset(items))
        await world.quiet()
        assert sorted(number for number in heard.items if number >= 0) == list(range(40))

    async def test_a_send_is_handled_without_an_answer(self, world: World) -> None:
        front, back, done = Service(world.name("front")), Service(world.name("back")), Seen[int]()

        @back.command
        async def work(number: int) -> None:
            done.add(number)

        @front.command(calls=[work])
        async def start(ctx: Context, number: int) -> None:
            ctx.send(work, number)
            assert done.items == []

        await world.start(back)
        host = await world.start(front)
        await host.call(start, 7)
        assert await done.wait() == [7]

    async def test_every_hop_knows_where_it_comes_from(self, world: World) -> None:
        contract, messages = Contract(world.name("hops")), Seen[Message]()
        first, second = contract.event("first", int), contract.event("second", int)
        begin = contract.command("begin", int)
        service, listener = Service(contract), Service(world.name("listener"))

        @service.handles(begin, emits=[first])
        async def handle(ctx: Context, number: int) -> None:
            messages.add(ctx.message)
            ctx.emit(first, number, key="key-1")

        @listener.on(first, emits=[second])
        async def pass_on(ctx: Context, number: int) -> None:
            messages.add(ctx.message)
            ctx.emit(second, number)

        @service.on(second)
        async def end(ctx: Context, number: int) -> None:
            assert number == 1
            messages.add(ctx.message)

        await world.start(listener)
        host = await world.start(service)
        await host.call(begin, 1, cause=CAUSE)
        found = await messages.wait(3)
        assert [message.type for message in found] == [begin.address, first.address, second.address]
        assert {(m.correlation_id, m.tenant_id, m.principal_id) for m in found} == {("correlation-1", "acme", "ada")}
        assert [m.causation_id for m in found] == [None, found[0].id, found[1].id]
        assert {trace_id(m.traceparent) for m in found} == {TRACE}
        assert [m.subject for m in found] == [None, "key-1", None]
        assert len({m.id for m in found}) == 3
