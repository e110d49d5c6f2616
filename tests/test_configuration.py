"""Configuration reads typed values and watches them."""

from __future__ import annotations

from contextlib import aclosing
from datetime import date
from typing import Any

import pytest
from pydantic import BaseModel

from pillion.configuration import Configuration
from pillion.errors import StoreError
from pillion.stores.memory import MemoryConfigurationStore


class Limits(BaseModel):
    per_minute: int


def configuration(**values: str) -> Configuration:
    return Configuration(MemoryConfigurationStore(values))


@pytest.mark.parametrize(
    ("text", "type_", "value"),
    [
        ("5", str, "5"),
        ("5", int, 5),
        ("true", bool, True),
        ("1.5", float, 1.5),
        ("2026-01-31", date, date(2026, 1, 31)),
        ('{"per_minute": 5}', Limits, Limits(per_minute=5)),
        ("[1, 2]", list[int], [1, 2]),
    ],
)
async def test_a_value_is_read_as_its_type(text: str, type_: type[Any], value: Any) -> None:
    assert await configuration(key=text).get("key", type_) == value


async def test_text_is_the_default() -> None:
    assert await configuration(key="5").get("key") == "5"


async def test_a_missing_value_is_none() -> None:
    assert await configuration().get("key", int) is None


async def test_several_values_are_read_at_once() -> None:
    assert await configuration(a="1", b="2").get_many(["a", "b", "c"], int) == {"a": 1, "b": 2}


async def test_a_value_of_another_type_is_named_without_showing_it() -> None:
    with pytest.raises(StoreError, match=r"'key' does not fit int: .*correct its value") as caught:
        await configuration(key="many").get("key", int)
    assert "many" not in str(caught.value)


async def test_a_watch_tells_typed_values_and_removals() -> None:
    store = MemoryConfigurationStore({"key": "1"})
    async with aclosing(Configuration(store).watch(["key"], int)) as changes:
        assert await anext(changes) == {"key": 1}
        store.put({"key": "2"})
        assert await anext(changes) == {"key": 2}
        store.put({"key": ""})
        assert await anext(changes) == {"key": None}


async def test_changes_that_come_too_fast_are_merged() -> None:
    store = MemoryConfigurationStore()
    async with aclosing(Configuration(store).watch(["a", "b"])) as changes:
        await anext(changes)
        for value in range(1000):
            store.put({"a": str(value)})
        store.put({"b": "x"})
        assert await anext(changes) == {"a": "999", "b": "x"}


async def test_an_ended_watch_costs_nothing_more() -> None:
    store = MemoryConfigurationStore()
    async with aclosing(Configuration(store).watch(["a"])) as changes:
        await anext(changes)
    assert not store._watchers
