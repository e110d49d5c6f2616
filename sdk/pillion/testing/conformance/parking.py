"""What a host must do with messages that have to wait: they are parked, and leave or are handled when it is time."""

from __future__ import annotations

import asyncio

from pillion.context import Context
from pillion.outcome import Retry
from pillion.service.contract import Contract
from pillion.service.service import Service
from pillion.testing.conformance.retries import reader
from pillion.testing.conformance.world import Note, Seen, World

# Seconds for which a host keeps a message that failed; all these waits are longer.
SHORT = 0.05


class Parking:
    """What waits is kept in the service's store, whatever happens to its host, and holds up nothing else."""

    async def test_a_message_that_waits_outlives_its_host_and_its_attempts_are_counted(self, world: World) -> None:
        contract, attempts, done = Contract(world.name("source")), Seen[int](), Seen[Note]()
        told, service = contract.event("told", Note), Service(world.name("sink"), state=world.state)
        ready = asyncio.Event()

        @service.on(told, retry=Retry(attempts=1000))
        async def hear(ctx: Context, note: Note) -> None:
            attempts.add(ctx.message.attempt)
            if not ready.is_set():
                raise Retry("not yet", after=0.1 if len(attempts.items) == 1 else 3.0)
            done.add(note)

        host, note = await world.start(service, longest_wait=SHORT), Note(text="ü", number=2**60 + 1)
        await host.emit(told, note)
        await attempts.wait(2)
        await world.quiet()
        await world.stop(host)
        ready.set()
        await world.start(service, longest_wait=SHORT)
        assert await done.wait() == [note]
        await world.quiet()
        # The third is the last, unless the host took so long to stop that it was tried once more.
        assert len(attempts.items) >= 3
        assert (attempts.items, len(done.items)) == (list(range(1, len(attempts.items) + 1)), 1)

    async def test_used_up_attempts_of_a_message_that_waited_end_as_a_dead_letter(self, world: World) -> None:
        contract, sink = Contract(world.name("source")), Contract(world.name("sink"))
        told, service, attempts = contract.event("told", int), Service(sink, state=world.state), Seen[int]()

        @service.on(told, retry=Retry(attempts=3, backoff="100ms", jitter=0))
        async def fail(ctx: Context, _: int) -> None:
            attempts.add(ctx.message.attempt)
            raise ConnectionError

        read, letters = reader(world, sink)
        await world.start(read)
        host = await world.start(service, longest_wait=SHORT)
        await host.emit(told, 7)
        letter, data = (await letters.wait())[0]
        assert (letter.attempt, letter.subscriber, letter.failure_code) == (3, f"{sink.group}.fail", "ConnectionError")
        assert (attempts.items, data) == ([1, 2, 3], 7)

    async def test_a_message_that_waits_holds_up_no_other(self, world: World) -> None:
        contract, heard, gate = Contract(world.name("source")), Seen[int](), asyncio.Event()
        told, service = contract.event("told", int), Service(world.name("sink"), state=world.state)

        @service.on(told, concurrency=1, retry=Retry(attempts=1000))
        async def hear(number: int) -> None:
            if number == 0 and not gate.is_set():
                raise Retry("not yet", after=0.2)
            heard.add(number)

        host = await world.start(service, longest_wait=SHORT)
        for number in range(5):
            await host.emit(told, number)
        assert sorted(await heard.wait(4)) == [1, 2, 3, 4]
        gate.set()
        assert (await heard.wait(5))[4] == 0

    async def test_a_parked_send_is_handled_when_its_time_has_come(self, world: World) -> None:
        service, attempts = Service(world.name("worker"), state=world.state), Seen[int]()

        @service.command
        async def work(ctx: Context, _: int) -> None:
            attempts.add(ctx.message.attempt)
            if len(attempts.items) < 2:
                raise Retry("not yet", after=0.2)

        host = await world.start(service, longest_wait=SHORT)
        await host.send(work, 1)
        assert await attempts.wait(2) == [1, 2]

    async def test_a_delayed_event_leaves_later(self, world: World) -> None:
        contract, heard = Contract(world.name("source")), Seen[tuple[int, float]]()
        told, service = contract.event("told", int), Service(world.name("sink"), state=world.state)
        now = asyncio.get_running_loop().time

        @service.command(emits=[told])
        async def tell(ctx: Context) -> None:
            ctx.emit(told, 1, delay=0.5)
            ctx.emit(told, 2)

        @service.on(told)
        async def hear(number: int) -> None:
            heard.add((number, now()))

        host, begun = await world.start(service), now()
        await host.call(tell, None)
        # What is not delayed may be slow as well.
        when = dict(await heard.wait(2))
        assert set(when) == {1, 2}
        assert when[1] - begun >= 0.45
        await world.quiet()
        assert len(heard.items) == 2

    async def test_a_delayed_send_outlives_its_host(self, world: World) -> None:
        front, back = Service(world.name("front"), state=world.state), Service(world.name("back"))
        done, now = Seen[tuple[int, float]](), asyncio.get_running_loop().time

        @back.command
        async def work(number: int) -> None:
            done.add((number, now()))

        @front.command(calls=[work], once=True)
        async def begin(ctx: Context, number: int) -> None:
            ctx.send(work, number, delay=2.5)

        await world.start(back)
        host, begun = await world.start(front), now()
        await host.call(begin, 7)
        await world.stop(host)
        await world.start(front)
        number, when = (await done.wait())[0]
        assert number == 7
        assert when - begun >= 2.45
        await world.quiet()
        assert len(done.items) == 1
