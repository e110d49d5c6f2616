"""Guards of every shape refuse: what cannot be told to be a coroutine function must not let everybody pass."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from pillion.context import Context
from pillion.errors import DeclarationError, Forbidden
from pillion.service.contract import Contract
from pillion.service.guard import Guard, guard
from pillion.service.service import Service
from pillion.testing.harness import hosted


async def refuse(_: Context, __: Any) -> bool:
    return False


@functools.wraps(refuse)
def decorated(*given: Any) -> Any:
    return refuse(*given)


class Refuse:
    async def __call__(self, _: Context, __: Any) -> bool:
        return False


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("check", [refuse, decorated, Refuse(), lambda *_: 0])
async def test_whatever_a_guard_is_made_of_it_refuses(check: Callable[..., Any], when: Any) -> None:
    service = Service("guarded")

    @service.command(guards=[guard(name="never", when=when)(check)])
    async def work(number: int) -> int:
        return number

    async with hosted(service) as app:
        with pytest.raises(Forbidden):
            await app.call(work, 1)


async def test_a_replacement_that_gives_a_coroutine_refuses_too() -> None:
    service = Service("guarded")

    @service.command(guards=[guard(name="paid")(lambda *_: True)])
    async def work(number: int) -> int:
        return number

    async with hosted(service, replace_guards={"paid": decorated}) as app:
        with pytest.raises(Forbidden):
            await app.call(work, 1)


async def test_a_guard_that_answers_nothing_lets_pass() -> None:
    service = Service("guarded")

    @service.command(guards=[Guard("calm", lambda *_: None)])
    async def work(number: int) -> int:
        return number

    async with hosted(service) as app:
        assert await app.call(work, 1) == 1


def test_a_guard_without_a_name_is_refused() -> None:
    service = Service("guarded")

    async def work(number: int) -> int:
        return number

    with pytest.raises(DeclarationError, match="name="):
        service.command(guards=[Refuse()])(work)


async def test_a_guard_after_a_subscription_refuses_what_it_did() -> None:
    service, told, done = Service("sink"), Contract("source").event("told", int), list[int]()

    def few(_: Context, result: object) -> bool:
        assert result is None
        return len(done) < 2

    @service.on(told, guards=[Guard("few", few, "after")])
    async def hear(number: int) -> None:
        done.append(number)

    async with hosted(service, capture=True) as host:
        for number in (1, 2):
            await host.emit(told, number)
            await host.until_quiet()
        letters = [letter.failure_code for letter in host.letters]
    assert (done, letters) == ([1, 2], ["forbidden"])
