"""What ``announced=True`` asks of a host: others hear how a command went, however it was asked for."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pillion.errors import BridgeError, Failure
from pillion.outcome import Retry
from pillion.ports.bridge import Outgoing
from pillion.service.command import CommandFailed
from pillion.service.contract import Contract
from pillion.service.service import Service
from pillion.testing.conformance.world import Publish, Seen, World


class SoldOut(Failure):
    """There is none left."""

    status = 409


class Announcements:
    """The ``failed`` event of a command."""

    async def test_a_sent_command_that_uses_up_its_attempts_is_told_of_once(self, world: World) -> None:
        service, tried, told = Service(world.name("worker")), Seen[int](), Seen[CommandFailed]()

        @service.command(announced=True, retry=Retry(attempts=2, backoff="10ms"))
        async def work(number: int) -> None:
            tried.add(number)
            raise ConnectionError

        @service.on(work.failed)
        async def hear(failed: CommandFailed) -> None:
            told.add(failed)

        host = await world.start(service)
        await host.send(work, 1)
        assert (await told.wait())[0].code == "internal_error"
        await world.quiet()
        assert (len(tried.items), len(told.items)) == (2, 1)

    async def test_a_failure_that_cannot_be_told_of_now_is_told_of_later(self, world: World) -> None:
        contract, told = Contract(world.name("worker")), Seen[CommandFailed]()
        sell = contract.command("sell", int, None, raises=[SoldOut], announced=True)
        service, broken = Service(contract, state=world.state), [BridgeError("the broker is away")]

        @service.handles(sell)
        async def handle(_: int) -> None:
            raise SoldOut

        @service.on(sell.failed)
        async def hear(failed: CommandFailed) -> None:
            told.add(failed)

        def publishing(publish: Publish) -> Publish:
            async def unsteady(messages: Sequence[Outgoing]) -> None:
                if broken and any(outgoing.topic == sell.failed.topic for outgoing in messages):
                    raise broken.pop()
                await publish(messages)

            return unsteady

        host = await world.start(service, publishing=publishing)
        with pytest.raises(SoldOut):
            await host.call(sell, 1)
        assert (await told.wait())[0].code == "sold_out"
        assert broken == []
