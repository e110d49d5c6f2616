"""What is not valid is answered to a caller, and set aside at once where there is none."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import BaseModel, Field

from pillion import Contract, Retry, Service
from pillion.errors import InvalidInput
from pillion.testing.harness import hosted

TOLD = Contract("source").event("told", int)
ALL = Retry(on=Exception, attempts=3, backoff="1ms")


Small = Annotated[int, Field(lt=10)]


def same(number: int) -> Small:
    return number


class Positive(BaseModel):
    number: Annotated[int, Field(gt=0)]


def positive(number: int) -> Positive:
    return Positive(number=number)


async def test_what_a_transform_makes_of_poison_is_not_tried_again() -> None:
    service, heard = Service("sink"), list[int]()

    @service.on(TOLD, retry=ALL, transform_in=same)
    async def hear(small: Small) -> None:
        heard.append(small)

    async with hosted(service, capture=True) as host:
        await host.emit(TOLD, 1)
        await host.emit(TOLD, 99)
        await host.until_quiet()
        (letter,) = host.letters
    assert (letter.attempt, letter.failure_code, heard) == (1, "invalid_input", [1])


async def test_a_sent_command_that_is_not_valid_is_told_of_and_not_tried_again() -> None:
    service = Service("sink")
    wrong = Contract("sink").command("work", str, None)

    @service.command(retry=ALL, announced=True)
    async def work(_: int) -> None: ...

    async with hosted(service, capture=True) as host:
        await host.send(wrong, "seven")
        await host.until_quiet()
        assert [letter.attempt for letter in host.letters] == [1]
        assert [failed.code for failed in host.emitted(work.failed)] == ["invalid_input"]
        with pytest.raises(InvalidInput):
            await host.call(wrong, "seven")


async def test_invalid_input_that_a_handler_raises_follows_its_policy() -> None:
    service, tried = Service("sink"), list[int]()

    @service.on(TOLD, retry=ALL)
    async def hear(number: int) -> None:
        tried.append(number)
        raise InvalidInput(errors=[])

    async with hosted(service) as host:
        await host.emit(TOLD, 1)
        await host.until_quiet()
    assert len(tried) == 3


async def test_a_transform_that_cannot_make_its_value_is_of_an_invalid_request() -> None:
    contract = Contract("sink")
    work, service = contract.command("work", int, None), Service(contract)

    @service.handles(work, transform_in=positive)
    async def done(_: Positive) -> None: ...

    async with hosted(service) as host:
        with pytest.raises(InvalidInput, match="number"):
            await host.call(work, -1)
