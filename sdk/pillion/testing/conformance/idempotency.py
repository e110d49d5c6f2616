"""What command handlers with ``once=`` promise: a request that is repeated is done once and answered as before."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from pillion.context import Context
from pillion.errors import Failure, IdempotencyKeyReused, PillionError, Unavailable
from pillion.pipeline.outbound import Cause
from pillion.service.contract import Contract
from pillion.service.service import Service
from pillion.state import State
from pillion.testing.conformance.foreign import envelope
from pillion.testing.conformance.once import Died, failing
from pillion.testing.conformance.world import Note, Seen, World


class Refused(Failure):
    """Not like this."""

    status = 409
    number: int


class Idempotency:
    """A command that is repeated is not done again; its first answer is given again."""

    async def test_a_repeated_command_gets_the_first_answer_again(self, world: World) -> None:
        service, runs = Service(world.name("notes"), state=world.state), Seen[Note]()

        @service.command(once=True)
        async def write(note: Note) -> Note:
            runs.add(note)
            return Note(text=note.text, number=len(runs.items))

        host, note = await world.start(service), Note(text="ü")
        answers = [await host.call(write, note, idempotency_key=key) for key in ("a", "a", "b", "a")]
        assert [answer.number for answer in answers] == [1, 1, 2, 1]
        assert answers[0] == Note(text="ü", number=1)
        # Without a key every call is one of its own.
        assert (await host.call(write, note)).number == 3
        assert (await host.call(write, note)).number == 4

    async def test_calls_with_one_key_at_once_are_one(self, world: World) -> None:
        service, runs = Service(world.name("notes"), state=world.state), Seen[int]()

        @service.command(once=True)
        async def write(number: int) -> int:
            runs.add(number)
            await asyncio.sleep(0.05)
            return len(runs.items)

        host = await world.start(service)
        answers = await asyncio.gather(*(host.call(write, 1, idempotency_key="k") for _ in range(10)))
        assert (answers, runs.items) == ([1] * 10, [1])

    async def test_a_command_that_is_done_once_may_call_its_own_service(self, world: World) -> None:
        service = Service(world.name("mirror"), state=world.state)

        @service.command(once=True)
        async def inner(ctx: Context, number: int) -> int:
            await ctx.state.set(f"inner:{number}", number)
            return number

        @service.command(once=True, calls=[inner])
        async def outer(ctx: Context, number: int) -> int:
            answer = await ctx.call(inner, number)
            await ctx.state.set(f"outer:{number}", answer)
            return answer

        host = await world.start(service)
        assert [await host.call(outer, number, timeout=15) for number in range(3)] == [0, 1, 2]
        store = State(await world.store(), scope=f"{service.name}.")
        assert await store.get_many([f"outer:{number}" for number in range(3)], int) == {
            f"outer:{number}": number for number in range(3)
        }

    async def test_an_idempotency_key_is_its_tenants_own(self, world: World) -> None:
        service, runs = Service(world.name("notes"), state=world.state), Seen[str | None]()

        @service.command(once=True)
        async def write(ctx: Context, number: int) -> int:
            runs.add(ctx.message.tenant_id)
            return number

        host = await world.start(service)
        for tenant in ("acme", "umbrella", "acme"):
            await host.call(write, 1, idempotency_key="k", cause=Cause(tenant_id=tenant))
        assert runs.items == ["acme", "umbrella"]

    async def test_a_key_that_named_another_request_is_refused(self, world: World) -> None:
        service, runs = Service(world.name("notes"), state=world.state), Seen[int]()

        @service.command(once=True)
        async def write(number: int) -> int:
            runs.add(number)
            return number

        host = await world.start(service)
        assert await host.call(write, 1, idempotency_key="k") == 1
        with pytest.raises(IdempotencyKeyReused):
            await host.call(write, 2, idempotency_key="k")
        assert runs.items == [1]

    async def test_a_declared_failure_is_answered_again(self, world: World) -> None:
        service, runs = Service(world.name("notes"), state=world.state), Seen[int]()

        @service.command(raises=[Refused], once=True)
        async def write(ctx: Context, number: int) -> None:
            runs.add(number)
            await ctx.state.set("written", number)
            raise Refused(number=len(runs.items))

        host = await world.start(service)
        for _ in range(2):
            with pytest.raises(Refused) as found:
                await host.call(write, 1, idempotency_key="k")
            assert found.value.number == 1
        assert runs.items == [1]
        assert await State(await world.store(), scope=f"{service.name}.").get("written", int) is None

    async def test_an_unexpected_error_is_not_remembered(self, world: World) -> None:
        service, runs = Service(world.name("notes"), state=world.state), Seen[int]()

        @service.command(once=True)
        async def write(number: int) -> int:
            runs.add(number)
            if len(runs.items) == 1:
                raise ConnectionError
            return number

        host = await world.start(service)
        with pytest.raises(PillionError):
            await host.call(write, 1, idempotency_key="k")
        assert await host.call(write, 1, idempotency_key="k") == 1

    async def test_an_answer_whose_messages_did_not_leave_is_given_again(self, world: World) -> None:
        contract, runs, heard = Contract(world.name("notes")), Seen[int](), Seen[int]()
        written, service = contract.event("written", int), Service(contract, state=world.state)

        @service.command(emits=[written], once=True)
        async def write(ctx: Context, number: int) -> int:
            runs.add(number)
            ctx.emit(written, number)
            return len(runs.items)

        @service.on(written)
        async def hear(number: int) -> None:
            heard.add(number)

        host = await world.start(service, publishing=failing(written, Died("gone")))
        try:
            answer = await host.call(write, 5, idempotency_key="k")
        except Unavailable:
            answer = await host.call(write, 5, idempotency_key="k")
        assert (answer, await heard.wait()) == (1, [5])
        await world.quiet()
        assert (runs.items, heard.items) == ([5], [5])

    async def test_a_send_that_comes_again_has_no_second_effect(self, world: World) -> None:
        service, runs = Service(world.name("notes"), state=world.state), Seen[int]()

        @service.command(once=True)
        async def write(number: int) -> int:
            runs.add(number)
            return number

        host = await world.start(service)
        again, other = envelope(write.address, 1, id=uuid4().hex), envelope(write.address, 2)
        for body in (again, again, other):
            await world.publish_event(write.send_topic, body)
        await runs.wait(2)
        await world.quiet()
        assert sorted(runs.items) == [1, 2]
        # What was sent with a key is the same request as what is called with it.
        await host.send(write, 3, idempotency_key="k")
        await runs.wait(3)
        assert await host.call(write, 3, idempotency_key="k") == 3
        assert len(runs.items) == 3
