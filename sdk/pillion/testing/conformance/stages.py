"""What happens around a handler, on whatever bridge: guards and transforms."""

from __future__ import annotations

import pytest

from pillion.context import Context
from pillion.errors import Failure, Forbidden, InvalidInput
from pillion.message import Message
from pillion.pipeline.outbound import Cause
from pillion.service.contract import Contract
from pillion.service.guard import Guard, guard
from pillion.service.service import Service
from pillion.testing.conformance.retries import reader
from pillion.testing.conformance.world import Note, Seen, World


class Unpaid(Failure):
    """Pay first."""

    status = 402


class Stages:
    """Guards may refuse before and after; transforms stand between the wire and the handler."""

    async def test_a_guard_before_refuses_before_the_handler_runs(self, world: World) -> None:
        service, begun = Service(world.name("guarded")), Seen[int]()

        @guard
        async def is_owner(ctx: Context, number: int) -> bool:
            return ctx.message.principal_id == "ada" and number > 0

        @service.command(guards=[is_owner])
        async def work(number: int) -> int:
            begun.add(number)
            return number

        host = await world.start(service)
        with pytest.raises(Forbidden) as caught:
            await host.call(work, 1)
        assert (caught.value.reason, begun.items) == ("is_owner", [])
        assert await host.call(work, 1, cause=Cause(principal_id="ada")) == 1

    async def test_a_guard_may_fail_in_its_own_words(self, world: World) -> None:
        service = Service(world.name("guarded"))

        def has_paid(_: Context, number: int) -> None:
            if number < 10:
                raise Unpaid

        @service.command(guards=[has_paid], raises=[Unpaid])
        async def work(number: int) -> int:
            return number

        host = await world.start(service)
        with pytest.raises(Unpaid):
            await host.call(work, 1)
        assert await host.call(work, 10) == 10

    async def test_a_guard_after_sees_the_answer_and_keeps_it_back(self, world: World) -> None:
        service, told = Service(world.name("guarded")), Contract(world.name("source")).event("told", str)
        heard = Seen[str]()

        @guard(when="after")
        def not_secret(_: Context, answer: str) -> bool:
            return answer != "secret"

        @service.command(guards=[not_secret], emits=[told])
        async def read(ctx: Context, name: str) -> str:
            ctx.emit(told, name)
            return name

        @service.on(told)
        async def hear(name: str) -> None:
            heard.add(name)

        host = await world.start(service)
        with pytest.raises(Forbidden):
            await host.call(read, "secret")
        assert await host.call(read, "news") == "news"
        await heard.wait()
        await world.quiet()
        assert heard.items == ["news"]

    async def test_a_guard_is_replaced_by_name(self, world: World) -> None:
        service = Service(world.name("guarded"))

        @guard(name="closed")
        def refuse(_: Context, number: int) -> bool:
            return number < 0

        @service.command(guards=[refuse])
        async def work(number: int) -> int:
            return number

        host = await world.start(service, guards={"closed": Guard("open", lambda _, __: True)})
        assert await host.call(work, 1) == 1

    async def test_a_guard_that_refuses_an_event_sets_it_aside(self, world: World) -> None:
        sink, contract = Contract(world.name("sink")), Contract(world.name("source"))
        service, told = Service(sink), contract.event("told", int)

        def never(_: Context, number: int) -> bool:
            return number < 0

        @service.on(told, guards=[never])
        async def hear(number: int) -> None:
            raise AssertionError(number)

        read, letters = reader(world, sink)
        await world.start(read)
        host = await world.start(service)
        await host.emit(told, 1)
        letter: Message = (await letters.wait())[0].message
        assert (letter.failure_code, letter.failure_status) == ("forbidden", 403)

    async def test_transforms_stand_between_the_wire_and_the_handler(self, world: World) -> None:
        contract = Contract(world.name("old"))
        measure = contract.command("measure", str, dict[str, int])
        service = Service(contract)

        def as_note(text: str) -> Note:
            return Note(text=text, number=len(text))

        def as_mapping(number: int) -> dict[str, int]:
            return {"length": number}

        @service.handles(measure, transform_in=as_note, transform_out=as_mapping)
        async def handle(note: Note) -> int:
            return note.number

        host = await world.start(service)
        assert await host.call(measure, "four") == {"length": 4}

    async def test_what_a_transform_makes_is_validated(self, world: World) -> None:
        contract = Contract(world.name("old"))
        measure = contract.command("measure", str, int)
        service = Service(contract)

        def as_note(text: str) -> Note:
            return {"text": text, "number": "many"}  # type: ignore[return-value]  # pyright: ignore[reportReturnType]

        @service.handles(measure, transform_in=as_note)
        async def handle(note: Note) -> int:
            return note.number

        host = await world.start(service)
        with pytest.raises(InvalidInput):
            await host.call(measure, "four")
