"""What ends a handler ends nothing else."""

from __future__ import annotations

import sys

import pytest

from pillion import Context, Contract, Retry, Service
from pillion.errors import InternalError
from pillion.testing.harness import hosted

TOLD = Contract("source").event("told", int)


async def test_a_handler_that_exits_has_failed_and_is_tried_again() -> None:
    attempts: list[int] = []
    service = Service("sink")

    @service.on(TOLD, retry=Retry(attempts=2, backoff="1ms"))
    async def hear(ctx: Context) -> None:
        attempts.append(ctx.message.attempt)
        sys.exit(3)

    async with hosted(service, capture=True) as host:
        await host.emit(TOLD, 1)
        await host.until_quiet()
        (letter,) = host.letters
    assert attempts == [1, 2]
    assert (letter.failure_code, letter.failure_title) == ("SystemExit", "failed 2 times: SystemExit: 3")


@pytest.mark.parametrize("threaded", [False, True])
async def test_a_command_that_exits_is_an_internal_error(*, threaded: bool) -> None:
    service = Service("sink")

    @service.command
    async def leave() -> None:
        sys.exit("no more")

    @service.command
    def leave_a_thread() -> None:
        raise SystemExit

    async with hosted(service) as host:
        with pytest.raises(InternalError):
            await host.call(leave_a_thread if threaded else leave, None)
