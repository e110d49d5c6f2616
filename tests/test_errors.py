"""Failures hold what can cross the wire, and come back from it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import Field
from pydantic_core import PydanticSerializationError

from pillion.errors import Failure, InternalError
from pillion.service.service import Service
from pillion.testing.harness import hosted


class Odd(Failure):
    what: Any


class Renamed(Failure):
    order_id: str = Field(alias="orderId")


def test_a_failure_that_json_cannot_hold_is_told_of_where_it_is_raised() -> None:
    with pytest.raises(PydanticSerializationError):
        Odd(what=object())


async def test_its_caller_does_not_wait_in_vain() -> None:
    service = Service("odd")

    @service.command(raises=[Odd])
    async def fail(number: int) -> int:
        raise Odd(what=object())

    async with hosted(service) as app:
        with pytest.raises(InternalError):
            await app.call(fail, 1)


def test_a_field_with_an_alias_comes_back() -> None:
    failure = Renamed.from_data({"orderId": "7"})
    assert (failure.order_id, failure.data) == ("7", {"orderId": "7"})
    assert Renamed.from_data(failure.data).data == failure.data
