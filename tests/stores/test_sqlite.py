"""The SQLite store keeps Dapr's table, in a thread of its own."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from pillion.errors import ConfigurationError, StoreError
from pillion.ports.store import Remove, Upsert
from pillion.stores.sqlite import SQLiteStateStore


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SQLiteStateStore]:
    store = SQLiteStateStore(tmp_path / "state.db", prefix="orders-state")
    await store.start()
    yield store
    await store.close()


def rows(path: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(statement).fetchall()


async def test_rows_are_those_of_dapr(store: SQLiteStateStore, tmp_path: Path) -> None:
    await store.write([Upsert("1", b'{"a":1}')])
    found = rows(tmp_path / "state.db", "SELECT key, value, is_binary, expiration_time FROM state")
    assert found == [("orders-state||1", '{"a":1}', 0, None)]


async def test_what_another_application_wrote_as_bytes_is_read(store: SQLiteStateStore, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "state.db")) as database:
        database.execute("INSERT INTO state (key, value, is_binary, etag) VALUES ('orders-state||1', 'NQ==', 1, 'e')")
        database.commit()
    assert (await store.get(["1"]))["1"] == (b"5", "e")


async def test_values_outlive_the_store(store: SQLiteStateStore, tmp_path: Path) -> None:
    await store.write([Upsert("1", b"1")])
    await store.close()
    again = SQLiteStateStore(tmp_path / "state.db", prefix="orders-state")
    await again.start()
    assert (await again.get(["1"]))["1"].value == b"1"
    await again.close()


async def test_components_that_share_a_file_do_not_meet(store: SQLiteStateStore, tmp_path: Path) -> None:
    await store.write([Upsert("1", b"1")])
    other = SQLiteStateStore(tmp_path / "state.db", prefix="payments-state")
    await other.start()
    assert await other.get(["1"]) == {}
    await other.close()


async def test_expired_rows_are_swept_away(tmp_path: Path) -> None:
    clock = Clock()
    store = SQLiteStateStore(tmp_path / "state.db", clock=clock)
    await store.start()
    await store.write([Upsert(str(number), b"1", ttl=10) for number in range(5)])
    clock.time += 100
    await store.write([Upsert("new", b"1")])
    assert rows(tmp_path / "state.db", "SELECT key FROM state") == [("new",)]
    await store.close()


async def test_more_keys_than_a_query_takes_are_read(store: SQLiteStateStore) -> None:
    await store.write([Upsert(str(number), b"1") for number in range(1201)])
    assert len(await store.get([str(number) for number in range(1300)])) == 1201


async def test_changes_from_many_tasks_are_all_kept(store: SQLiteStateStore) -> None:
    await asyncio.gather(*(store.transact([Upsert(f"{n}", b"1"), Remove(f"{n}-x")]) for n in range(100)))
    assert len(await store.get([str(number) for number in range(100)])) == 100


async def test_a_locked_file_is_an_error_that_keeps_the_loop_alive(store: SQLiteStateStore, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        writing = asyncio.create_task(store.write([Upsert("1", b"1")]))
        ticks = 0
        while not writing.done() and ticks < 20:
            await asyncio.sleep(0)
            ticks += 1
        assert ticks == 20
        database.execute("ROLLBACK")
        await writing
    assert (await store.get(["1"]))["1"].value == b"1"


async def test_a_locked_file_is_waited_for_once_by_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pillion.stores.sqlite._BUSY_SECONDS", 0.05)
    store = SQLiteStateStore(tmp_path / "state.db")
    await store.start()
    with closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        refused = [asyncio.create_task(store.write([Upsert(f"{number}", b"1")])) for number in range(600)]
        # One wait is for all that came together; one for each would take half a minute.
        async with asyncio.timeout(15):
            await asyncio.wait(refused)
        assert all("locked" in str(task.exception()) for task in refused)
    await store.close()


async def test_a_change_that_fails_leaves_the_store_usable(store: SQLiteStateStore) -> None:
    with pytest.raises(UnicodeDecodeError):
        await store.transact([Upsert("1", b"1"), Upsert("2", b"\xff")])
    await store.write([Upsert("3", b"1")])
    assert set(await store.get(["1", "2", "3"])) == {"3"}


async def test_a_file_that_is_no_database_is_told_at_start(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_text("no database, but long enough to be looked at by SQLite" * 10)
    with pytest.raises(ConfigurationError, match=r"state\.db cannot be opened: .*not a database"):
        await SQLiteStateStore(tmp_path / "state.db").start()


async def test_a_folder_that_cannot_be_made_is_told_at_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        await SQLiteStateStore(tmp_path / "file" / "state.db").start()


async def test_a_store_that_is_not_started_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"call start\(\) first"):
        await SQLiteStateStore(tmp_path / "state.db").get(["1"])


async def test_a_store_can_be_closed_twice(store: SQLiteStateStore) -> None:
    await store.close()
    await store.close()


def test_a_table_name_is_checked() -> None:
    with pytest.raises(ConfigurationError, match="no table name"):
        SQLiteStateStore("state.db", table="state; DROP TABLE x")


class Clock:
    """A clock that is moved by hand."""

    time = 1_800_000_000.0

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds
