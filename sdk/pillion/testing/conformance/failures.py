"""What a bridge must do when commands fail: DESIGN's section on failures, row by row."""

from __future__ import annotations

import asyncio

import pytest

from pillion.context import Context
from pillion.errors import Failure, InternalError, InvalidInput, RemoteFailure, UndeclaredError
from pillion.service.contract import Contract
from pillion.service.service import Service
from pillion.testing.conformance.world import CAUSE, Note, Seen, World


class Refused(Failure):
    """The card was refused."""

    code = "refused"
    status = 402
    reason: str
    limits: tuple[int, ...] = ()


class Busy(Failure):
    """Come back later."""

    status = 503
    retryable = True


class Failures:
    """Expected failures cross the wire typed; everything else stays opaque."""

    async def test_a_declared_failure_comes_back_as_the_same_class_with_its_data(self, world: World) -> None:
        service = Service(world.name("payments"))

        @service.command(raises=[Refused])
        async def charge(amount: int) -> int:
            raise Refused(reason=f"{amount} is too much", limits=(1, 2))

        host = await world.start(service)
        with pytest.raises(Refused) as caught:
            await host.call(charge, 5)
        assert (caught.value.reason, caught.value.limits, caught.value.status) == ("5 is too much", (1, 2), 402)
        assert caught.value.__notes__ == [f"{charge.address} answered this"]

    async def test_an_undeclared_failure_is_a_remote_failure_with_its_code(self, world: World) -> None:
        service = Service(world.name("payments"))

        @service.command
        async def charge(amount: int) -> int:
            raise Refused(reason=str(amount))

        host = await world.start(service)
        with pytest.raises(RemoteFailure) as caught:
            await host.call(charge, 5)
        assert (caught.value.remote_code, caught.value.remote_status) == ("refused", 402)
        assert caught.value.remote_title == "The card was refused."
        assert caught.value.remote_data == {"reason": "5", "limits": []}

    async def test_a_failure_passes_two_services_typed(self, world: World) -> None:
        front, back = Service(world.name("front")), Service(world.name("back"))

        @back.command(raises=[Refused])
        async def charge(amount: int) -> int:
            raise Refused(reason=str(amount))

        @front.command(calls=[charge], raises=[Refused])
        async def order(ctx: Context, amount: int) -> int:
            return await ctx.call(charge, amount)

        host = await world.start(front)
        await world.start(back)
        with pytest.raises(Refused, match="5"):
            await host.call(order, 5)

    async def test_retryable_is_an_attribute_of_the_failure(self, world: World) -> None:
        service = Service(world.name("busy"))

        @service.command(raises=[Busy, Refused])
        async def work(busy: bool) -> None:
            raise Busy if busy else Refused(reason="no")

        host = await world.start(service)
        with pytest.raises(Failure) as busy:
            await host.call(work, True)
        with pytest.raises(Failure) as refused:
            await host.call(work, False)
        assert (busy.value.retryable, refused.value.retryable) == (True, False)

    async def test_invalid_input_lists_every_field(self, world: World) -> None:
        name = world.name("strict")
        service, loose = Service(name), Contract(name)
        anything = loose.command("take", dict[str, object], int)

        @service.command
        async def take(note: Note) -> int:
            return note.number

        host = await world.start(service)
        with pytest.raises(InvalidInput) as caught:
            await host.call(anything, {"text": 1, "number": "many"})
        assert [error["field"] for error in caught.value.errors] == ["text", "number"]
        assert await host.call(take, Note(text="", number=3)) == 3

    async def test_invalid_output_is_opaque(self, world: World) -> None:
        service = Service(world.name("wrong"))

        @service.command
        async def answer() -> int:
            return "a secret"  # type: ignore[return-value]  # pyright: ignore[reportReturnType]

        host = await world.start(service)
        with pytest.raises(InternalError) as caught:
            await host.call(answer, None, cause=CAUSE)
        assert "secret" not in str(caught.value)
        assert caught.value.correlation_id == "correlation-1"

    async def test_an_unexpected_exception_is_opaque_and_has_the_correlation_id(self, world: World) -> None:
        service = Service(world.name("broken"))

        @service.command
        async def answer() -> int:
            raise KeyError("a secret")

        host = await world.start(service)
        with pytest.raises(InternalError) as caught:
            await host.call(answer, None, cause=CAUSE)
        assert caught.value.data == {"correlation_id": "correlation-1"}

    async def test_an_undeclared_call_is_an_error_that_names_it(self, world: World) -> None:
        service, texts = Service(world.name("sneaky")), Seen[str]()
        other = Contract(world.name("other")).command("work", int, int)

        @service.command
        async def sneak(ctx: Context) -> int:
            try:
                return await ctx.call(other, 1)
            except UndeclaredError as error:
                texts.add(str(error))
                raise

        host = await world.start(service)
        with pytest.raises(InternalError):
            await host.call(sneak, None)
        assert other.address in texts.items[0]
        assert "calls=" in texts.items[0]

    async def test_an_undeclared_event_does_not_leave(self, world: World) -> None:
        service, heard = Service(world.name("sneaky")), Seen[int]()
        told = Contract(world.name("other")).event("told", int)

        @service.command
        async def sneak(ctx: Context) -> None:
            ctx.emit(told, 1)

        @service.on(told)
        async def hear(number: int) -> None:
            heard.add(number)

        host = await world.start(service)
        with pytest.raises(InternalError):
            await host.call(sneak, None)
        await world.quiet()
        assert heard.items == []

    async def test_a_handler_that_awaits_something_cancelled_fails_like_any_other(self, world: World) -> None:
        service = Service(world.name("loose"))

        @service.command
        async def wait(number: int) -> int:
            if number < 0:
                given_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                given_up.cancel()
                await given_up
            return number

        host = await world.start(service)
        with pytest.raises(InternalError):
            await host.call(wait, -1)
        assert await host.call(wait, 1) == 1
