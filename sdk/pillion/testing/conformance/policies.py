"""What declarations about failure ask of a host: retries per failure, breakers, fallbacks, pauses, times to live."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from itertools import count

import pytest

from pillion.context import Context
from pillion.errors import DeadlineExceeded, Failure, InternalError, PillionError, Unavailable
from pillion.outcome import Retry
from pillion.pipeline.facilities import LONGEST_WAIT
from pillion.resilience.breaker import Breaker
from pillion.resilience.pause import Pause
from pillion.service.contract import Contract
from pillion.service.event import foreign_event
from pillion.service.filter import exact
from pillion.service.service import Service
from pillion.testing.conformance.retries import reader
from pillion.testing.conformance.world import Seen, World, eventually


class Declined(Failure):
    """Not now."""

    status = 402


def quick(attempts: int, *on: type[BaseException]) -> Retry:
    """A policy for these exceptions that hardly waits."""
    return Retry(attempts=attempts, backoff="1ms..2ms", on=on)


class RetryPolicies:
    """Each failure is tried again as its policy says."""

    @pytest.mark.parametrize(
        ("policies", "error", "attempts"),
        [
            ([quick(4, ConnectionError), quick(2, ValueError)], ConnectionError(), 4),
            ([quick(4, ConnectionError), quick(2, ValueError)], ValueError(), 2),
            ([quick(2, OSError), quick(4, ConnectionError)], ConnectionError(), 2),
            ([quick(4, ConnectionError), quick(3)], KeyError(), 3),
            ([quick(4, ConnectionError)], KeyError(), 1),
            ([quick(3, Declined)], Declined(), 3),
            ([quick(3)], Declined(), 1),
        ],
        ids=["one", "another", "first that fits", "all others", "none fits", "declared, named", "declared"],
    )
    async def test_the_first_policy_that_fits_is_followed(
        self, world: World, policies: Sequence[Retry], error: Exception, attempts: int
    ) -> None:
        contract, sink = Contract(world.name("source")), Contract(world.name("sink"))
        told, service, tried = contract.event("told", int), Service(sink), Seen[int]()

        @service.on(told, retry=policies)
        async def fail(ctx: Context, _: int) -> None:
            tried.add(ctx.message.attempt)
            raise error

        read, letters = reader(world, sink)
        await world.start(read)
        host = await world.start(service)
        await host.emit(told, 1)
        letter = (await letters.wait())[0].message
        assert (letter.attempt, tried.items) == (attempts, list(range(1, attempts + 1)))

    async def test_what_a_handler_raised_its_own_retry_from_chooses_no_policy(self, world: World) -> None:
        contract, service, tried = Contract(world.name("source")), Service(world.name("sink")), Seen[int]()
        told = contract.event("told", int)

        @service.on(told, retry=Retry(on=TimeoutError))
        async def hear(ctx: Context, _: int) -> None:
            tried.add(ctx.message.attempt)
            if len(tried.items) == 1:
                raise Retry("not yet", after=0.01) from KeyError("seat")

        host = await world.start(service)
        await host.emit(told, 1)
        assert await tried.wait(2) == [1, 2]

    async def test_poison_is_set_aside_at_once_whatever_the_policy(self, world: World) -> None:
        contract, sink = Contract(world.name("source")), Contract(world.name("sink"))
        told, service, heard = contract.event("told", int), Service(sink), Seen[int]()
        wrong = foreign_event(told.topic, str, type=told.cloudevent_type or "")

        @service.on(told, retry=quick(3, Exception))
        async def hear(number: int) -> None:
            heard.add(number)

        read, letters = reader(world, sink)
        await world.start(read)
        host = await world.start(service)
        await host.emit(wrong, "seven")
        letter, data = (await letters.wait())[0]
        assert (letter.attempt, letter.failure_code, data) == (1, "invalid_input", "seven")
        assert heard.items == []


class Callees:
    """A command that fails again and again is left alone for a while; somebody else may answer for it."""

    async def test_a_breaker_opens_and_lets_one_call_find_out_whether_it_may_close(self, world: World) -> None:
        back, calls, broken, numbers = Service(world.name("back")), Seen[int](), True, count(3)
        front = Service(world.name("front"), breaker=Breaker(failures=2, pause=1.0))

        @back.command
        async def work(number: int) -> int:
            calls.add(number)
            if broken:
                raise KeyError(number)
            return number

        @front.command(calls=[work])
        async def ask(ctx: Context, number: int) -> int:
            return await ctx.call(work, number)

        await world.start(back)
        host = await world.start(front)
        for number in (1, 2):
            with pytest.raises(InternalError):
                await host.call(ask, number)

        async def refused() -> int | None:
            number = next(numbers)
            with pytest.raises((Unavailable, InternalError)) as caught:
                await host.call(ask, number)
            return number if "in a row" in str(caught.value) else None  # else the pause was over before

        assert await eventually(refused) not in calls.items
        broken = False

        async def answered() -> int | None:
            try:
                return await host.call(ask, 1000)
            except Unavailable:
                return None

        assert await eventually(answered) == 1000
        assert (await host.call(ask, 1001), calls.items[-2:]) == (1001, [1000, 1001])

    async def test_a_fallback_answers_for_a_command_that_does_not(self, world: World) -> None:
        back, front = Service(world.name("back")), Service(world.name("front"))
        errors = Seen[PillionError]()

        @back.command(raises=[Declined])
        async def work(number: int) -> int:
            raise Declined if number == 0 else KeyError(number)

        def instead(error: PillionError) -> int:
            errors.add(error)
            return -1

        @front.command(calls=[work], raises=[Declined])
        async def ask(ctx: Context, number: int) -> int:
            return await ctx.call(work, number, fallback=instead)

        await world.start(back)
        host = await world.start(front)
        assert await host.call(ask, 1) == -1
        assert [type(error) for error in errors.items] == [InternalError]
        # A declared failure is an answer.
        with pytest.raises(Declined):
            await host.call(ask, 0)

    async def test_the_circuit_opens_on_a_command_that_hangs(self, world: World) -> None:
        front = Service(world.name("front"), breaker=Breaker(failures=2, pause=60))
        back, begun, errors = Service(world.name("back")), Seen[int](), Seen[PillionError]()

        @back.command(timeout=2.0)
        async def hang(number: int) -> int:
            begun.add(number)
            await asyncio.Event().wait()
            return number

        def instead(error: PillionError) -> int:
            errors.add(error)
            return -1

        # Caller and callee have the same time, and the caller's began first.
        @front.command(calls=[hang], timeout=2.0)
        async def ask(ctx: Context, number: int) -> int:
            return await ctx.call(hang, number, fallback=instead)

        await world.start(back)
        host = await world.start(front)
        number = 0
        while len(errors.items) < 3 and number < 6:
            number += 1
            with suppress(DeadlineExceeded):  # on a machine that stalls it may be too late for the fallback
                assert await host.call(ask, number, timeout=15) == -1
        *late, refused = errors.items
        assert [isinstance(error, DeadlineExceeded) for error in late] == [True, True]
        assert isinstance(refused, Unavailable)
        assert number not in begun.items


class Pauses:
    """A subscription whose messages all fail stops for a while instead of setting them all aside."""

    async def test_a_subscription_pauses_and_goes_on(self, world: World) -> None:
        contract, sink = Contract(world.name("source")), Contract(world.name("sink"))
        told, service = contract.event("told", int), Service(sink, state=world.state)
        failed, handled, broken = Seen[float](), Seen[int](), True
        now = asyncio.get_running_loop().time

        @service.on(told, pause=Pause(failures=2, wait="1s"), retry=Retry(attempts=4, backoff="1ms"))
        async def work(number: int) -> None:
            if broken:
                failed.add(now())
                raise ConnectionError
            handled.add(number)

        read, letters = reader(world, sink)
        await world.start(read)
        host = await world.start(service)
        for number in range(4):
            await host.emit(told, number)
        # One attempt after the pause finds out that nothing has changed.
        times = await failed.wait(3)
        broken = False
        assert sorted(await handled.wait(4)) == [0, 1, 2, 3]
        assert times[2] - times[1] > 0.9
        await world.quiet()
        assert (len(failed.items), letters.items) == (3, [])

    async def test_what_is_not_wanted_says_nothing_of_how_it_goes(self, world: World) -> None:
        contract, service = Contract(world.name("source")), Service(world.name("sink"), state=world.state)
        told, tried, heard = contract.event("told", int), Seen[int](), Seen[int]()

        @service.on(told, where=exact(subject="mine"), pause=Pause(failures=2, wait="1h"), retry=Retry(attempts=1))
        async def broken(number: int) -> None:
            tried.add(number)
            raise ConnectionError

        @service.on(told)
        async def every(number: int) -> None:
            heard.add(number)

        host = await world.start(service)
        for number in range(4):
            await host.emit(told, number, key="mine" if number % 2 == 0 else "other")
            await heard.wait(number + 1)
            await tried.wait(min(2, number // 2 + 1))
        await host.emit(told, 4, key="mine")
        await heard.wait(5)
        assert tried.items == [0, 2]

    async def test_a_paused_subscription_holds_up_no_other(self, world: World) -> None:
        contract, service = Contract(world.name("source")), Service(world.name("sink"), state=world.state)
        told, tried, heard = contract.event("told", int), Seen[int](), Seen[int]()

        @service.on(told, pause=Pause(failures=1, wait="1h"))
        async def broken(number: int) -> None:
            tried.add(number)
            raise ConnectionError

        @service.on(told)
        async def fine(number: int) -> None:
            heard.add(number)

        host = await world.start(service)
        await host.emit(told, 0)
        await tried.wait(1)
        # Far less than a message may wait in the app where it holds up nobody.
        async with asyncio.timeout(LONGEST_WAIT / 2):
            for number in range(1, 4):
                await host.emit(told, number)
                await heard.wait(number + 1)
        assert tried.items == [0]


class Lifetimes:
    """What is worth nothing any more is not handled."""

    async def test_an_event_that_has_expired_is_not_handled(self, world: World) -> None:
        contract, heard = Contract(world.name("source")), Seen[int]()
        told, service = contract.event("told", int), Service(world.name("sink"), state=world.state)

        @service.command(emits=[told])
        async def tell(ctx: Context) -> None:
            ctx.emit(told, 1, ttl=0.1, delay=0.3)
            ctx.emit(told, 2, ttl=60, delay=0.3)
            ctx.emit(told, 3, delay=0.6)

        @service.on(told)
        async def hear(number: int) -> None:
            heard.add(number)

        host = await world.start(service)
        await host.call(tell, None)
        await heard.wait(2)
        await world.quiet()
        assert sorted(heard.items) == [2, 3]
