"""A batch of jobs comes to what it would have come to one after another."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from pillion.ports.store import Change, Remove, StateItem, Upsert
from pillion.stores.sqlitetable import Job, SQLiteTable
from pillion.testing.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def table(clock: FakeClock) -> Iterator[SQLiteTable]:
    table = SQLiteTable(sqlite3.connect(":memory:", isolation_level=None), "state", "shop||", clock)
    yield table
    table.close()


def new(key: str, value: bytes = b"1") -> Upsert:
    return Upsert(key, value, first_write=True)


def together(*changes: Change) -> Job:
    return Job(changes, all_or_none=True)


def values(table: SQLiteTable, *keys: str) -> dict[str, bytes]:
    return {key: item.value for key, item in table.read(keys).items()}


def item(table: SQLiteTable, key: str) -> StateItem:
    return table.read([key])[key]


def test_of_two_that_make_the_same_value_in_one_batch_the_first_does(table: SQLiteTable) -> None:
    jobs = [together(new("a", b"1"), Upsert("b", b"1")), together(new("a", b"2"), Upsert("c", b"2"))]
    assert table.write(jobs) == [[], ["a"]]
    assert values(table, "a", "b", "c") == {"a": b"1", "b": b"1"}


def test_a_value_that_is_there_refuses_its_job_and_no_other(table: SQLiteTable) -> None:
    table.write([together(Upsert("a", b"0"))])
    jobs = [together(new("x"), Upsert("y", b"1")), together(new("a"), Upsert("b", b"1")), together(Upsert("c", b"1"))]
    assert table.write(jobs) == [[], ["a"], []]
    assert values(table, "a", "b", "c", "x", "y") == {"a": b"0", "c": b"1", "x": b"1", "y": b"1"}


def test_each_by_itself_leaves_out_only_what_does_not_fit(table: SQLiteTable) -> None:
    table.write([together(Upsert("a", b"0"))])
    assert table.write([Job([new("a"), Upsert("b", b"1")], all_or_none=False)]) == [["a"]]
    assert values(table, "a", "b") == {"a": b"0", "b": b"1"}


def test_a_job_sees_what_the_one_before_it_wrote(table: SQLiteTable) -> None:
    table.write([together(Upsert("a", b"0"))])
    etag = item(table, "a").etag
    jobs = [together(Upsert("a", b"1", etag=etag)), together(Upsert("a", b"2", etag=etag)), together(Remove("a", etag))]
    assert table.write(jobs) == [[], ["a"], ["a"]]
    assert values(table, "a") == {"a": b"1"}


def test_what_is_removed_in_a_batch_can_be_made_in_it(table: SQLiteTable) -> None:
    table.write([together(Upsert("a", b"0"))])
    assert table.write([together(Remove("a")), together(new("a", b"1"))]) == [[], []]
    assert values(table, "a") == {"a": b"1"}


@pytest.mark.parametrize("there", [False, True])
def test_what_is_made_in_a_batch_can_be_removed_in_it(table: SQLiteTable, there: bool) -> None:
    table.write([together(Upsert("a", b"0"))] if there else [])
    assert table.write([together(new("a")), together(Remove("a"))]) == [["a"] if there else [], []]
    assert values(table, "a") == {}


async def test_what_has_expired_is_not_there(table: SQLiteTable, clock: FakeClock) -> None:
    table.write([together(Upsert("a", b"0", ttl=5))])
    assert table.write([together(new("a"))]) == [["a"]]
    await clock.advance(6)
    assert values(table, "a") == {}
    assert table.write([together(new("a"))]) == [[]]


def test_a_value_that_is_no_text_leaves_the_batch_undone(table: SQLiteTable) -> None:
    with pytest.raises(UnicodeDecodeError):
        table.write([together(new("a")), together(Upsert("b", b"\xff"))])
    assert table.write([together(new("a"))]) == [[]]


@pytest.mark.parametrize("number", [1, 3, 64, 65, 600])
def test_any_number_of_rows_is_written_and_read(table: SQLiteTable, number: int) -> None:
    keys = [f"key-{n}" for n in range(number)]
    assert table.write([together(new(key, key.encode())) for key in keys]) == [[]] * number
    assert values(table, *keys) == {key: key.encode() for key in keys}
    assert table.write([together(new(key)) for key in keys]) == [[key] for key in keys]
    table.write([together(*(Remove(key) for key in keys))])
    assert values(table, *keys) == {}
