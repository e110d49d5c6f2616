"""State in a SQLite file, in the very table of Dapr's ``state.sqlite`` v1, so that a sidecar can take the file over.

Source: components-contrib 1.18, ``state/sqlite``. Expiry has whole seconds there, so it has them here.
"""

from __future__ import annotations

import asyncio
import math
import sqlite3
import time
import uuid
from base64 import b64decode
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import NamedTuple, TypeVar

from pillion.batches import Batches
from pillion.errors import ConfigurationError, ConflictError, StoreError
from pillion.ports.clock import Clock, SystemClock
from pillion.ports.store import Change, Remove, StateCapabilities, StateItem, Upsert

T = TypeVar("T")

_SWEEP_SECONDS = 60.0
_BUSY_SECONDS = 5.0
_KEYS_PER_QUERY = 500
_LARGEST_BATCH = 256
_STAMPS = 1000

_CREATE = """CREATE TABLE IF NOT EXISTS {table} (
    key TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL,
    is_binary BOOLEAN NOT NULL,
    etag TEXT NOT NULL,
    expiration_time TIMESTAMP DEFAULT NULL,
    update_time TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
)"""
# The table name, put in by format(), has been checked; SQLite takes no parameter for it.
_ALIVE = "(expiration_time IS NULL OR expiration_time > ?)"
_SELECT = "SELECT key, value, is_binary, etag FROM {table} WHERE key IN ({marks}) AND " + _ALIVE  # noqa: S608
_ETAG = "SELECT etag FROM {table} WHERE key = ? AND " + _ALIVE  # noqa: S608
_REPLACE = (
    "INSERT OR REPLACE INTO {table} (key, value, is_binary, etag, update_time, expiration_time) "
    "VALUES (?, ?, 0, ?, ?, ?)"
)
# Where a value is that has not expired, nothing is changed.
_INSERT = (
    "INSERT INTO {table} (key, value, is_binary, etag, update_time, expiration_time) VALUES (?1, ?2, 0, ?3, ?4, ?5) "
    "ON CONFLICT (key) DO UPDATE SET value = ?2, is_binary = 0, etag = ?3, update_time = ?4, expiration_time = ?5 "
    "WHERE expiration_time IS NOT NULL AND expiration_time <= ?4"
)
_DELETE = "DELETE FROM {table} WHERE key = ?"
_SWEEP = "DELETE FROM {table} WHERE expiration_time IS NOT NULL AND expiration_time <= ?"


class _Job(NamedTuple):
    """Changes that somebody waits for."""

    changes: Sequence[Change]
    all_or_none: bool


class SQLiteStateStore:
    """Keeps state in a SQLite file. All its work is done in one thread of its own, never in the event loop.

    Attributes:
        path: the file.

    Args:
        path: the file; its folder is created.
        prefix: begins every key, followed by ``||``. The component's name, when the component has ``keyPrefix: name``.
        table: name of the table. Default ``state``, as in Dapr.
        clock: decides when values expire.
    """

    capabilities = StateCapabilities()

    def __init__(self, path: str | Path, *, prefix: str = "", table: str = "state", clock: Clock | None = None) -> None:
        if not table.isidentifier():
            raise ConfigurationError(f"SQLite store {path}: {table!r} is no table name; use letters, digits and _")
        self.path = Path(path)
        self._prefix = f"{prefix}||" if prefix else ""
        self._table = table
        self._clock = clock or SystemClock()
        self._thread: ThreadPoolExecutor | None = None
        self._database: sqlite3.Connection | None = None
        self._next_sweep = 0.0
        # What comes while a transaction is under way shares the next, and its sync.
        self._changes: Batches[_Job, list[str]] = Batches(self._write_all, _LARGEST_BATCH)
        self._run_id = uuid.uuid4().hex
        self._etags = count()
        self._stamps: dict[int, str] = {}
        self._statements: dict[str, str] = {}

    async def start(self) -> None:
        """Open the file and create the table if it is not there.

        Raises:
            ConfigurationError: the file cannot be opened or is no database.
        """
        if self._thread is None:
            self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pillion-sqlite")
        try:
            await self._run(self._open)
        except (OSError, sqlite3.Error) as error:
            await self.close()
            raise ConfigurationError(
                f"SQLite store {self.path} cannot be opened: {error}; check the path and its permissions"
            ) from error

    async def close(self) -> None:
        """Finish what is in hand and close the file. Safe to call twice."""
        await self._changes.close()
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.get_running_loop().run_in_executor(thread, self._shut)
            thread.shutdown(wait=False)

    async def get(self, keys: Sequence[str]) -> dict[str, StateItem]:
        """What is there under these keys.

        Raises:
            StoreError: the file cannot be read.
        """
        return await self._run(lambda: self._read(keys))

    async def write(self, changes: Sequence[Change]) -> None:
        """Apply each change by itself.

        Raises:
            ConflictError: some did not fit what is there; the others are applied.
            StoreError: the file cannot be written; nothing was applied.
        """
        await self._queued(changes, all_or_none=False)

    async def transact(self, changes: Sequence[Change]) -> None:
        """Apply all changes or none.

        Raises:
            ConflictError: some did not fit what is there; nothing was written.
            StoreError: the file cannot be written; nothing was written.
        """
        await self._queued(changes, all_or_none=True)

    async def _queued(self, changes: Sequence[Change], *, all_or_none: bool) -> None:
        if conflicts := await self._changes.put(_Job(changes, all_or_none), to_its_end=True):
            names = ", ".join(sorted(conflicts))
            raise ConflictError(f"somebody else wrote first to {names}; read it again and repeat the change")

    async def _write_all(self, jobs: Sequence[_Job]) -> Sequence[list[str] | Exception]:
        return await self._run(lambda: self._change(jobs))

    async def _run(self, work: Callable[[], T]) -> T:
        if self._thread is None:
            raise self._not_started()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except sqlite3.Error as error:
            if self._database is None:
                raise
            raise StoreError(f"SQLite store {self.path}: {error}; nothing was written") from error

    def _not_started(self) -> StoreError:
        return StoreError(f"SQLite store {self.path} is not started, or closed; call start() first")

    # From here on: only in the store's own thread.

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, isolation_level=None)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute(_CREATE.format(table=self._table))
        except sqlite3.Error:
            database.close()
            raise
        self._database = database

    def _shut(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            database.close()

    def _execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        if self._database is None:
            raise StoreError(f"SQLite store {self.path} is not open; call start() first")
        return self._database.execute(statement, values)

    def _read(self, keys: Sequence[str]) -> dict[str, StateItem]:
        found: dict[str, StateItem] = {}
        for first in range(0, len(keys), _KEYS_PER_QUERY):
            part = [self._prefix + key for key in keys[first : first + _KEYS_PER_QUERY]]
            statement = _SELECT.format(table=self._table, marks=",".join("?" * len(part)))
            for key, value, is_binary, etag in self._execute(statement, *part, self._timestamp()):
                data = b64decode(value) if is_binary else value.encode()
                found[key[len(self._prefix) :]] = StateItem(data, etag)
        return found

    def _change(self, jobs: Sequence[_Job]) -> Sequence[list[str] | Exception]:
        """What came of each job: the keys that did not fit. One that SQLite refuses does not spoil the others."""
        try:
            self._execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:  # somebody has locked the file, for all of them
            return [self._refused(error)] * len(jobs)
        try:
            return self._commit(jobs)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told to whoever caused it
            if len(jobs) == 1:
                return [self._refused(error) if isinstance(error, sqlite3.Error) else error]
            return [self._change([job])[0] for job in jobs]

    def _refused(self, error: sqlite3.Error) -> StoreError:
        return StoreError(f"SQLite store {self.path}: {error}; nothing was written")

    def _commit(self, jobs: Sequence[_Job]) -> list[list[str] | Exception]:
        try:
            self._sweep()
            outcomes: list[list[str] | Exception] = [self._do(job) for job in jobs]
            self._execute("COMMIT")
        except BaseException:
            if self._database is not None and self._database.in_transaction:
                self._execute("ROLLBACK")
            raise
        return outcomes

    def _do(self, job: _Job) -> list[str]:
        """What did not fit; of a job that is all or none, nothing is applied then."""
        new = [
            change for change in job.changes if isinstance(change, Upsert) and change.first_write and not change.etag
        ]
        if len(new) == 1 and job.all_or_none:
            return self._do_new(job, new[0])
        conflicts = [change.key for change in job.changes if not self._fits(change)]
        if not (conflicts and job.all_or_none):
            for change in job.changes:
                if change.key not in conflicts:
                    self._apply(change)
        return conflicts

    def _do_new(self, job: _Job, new: Upsert) -> list[str]:
        """The common case: one statement looks whether a key is free and takes it, before anything else is done."""
        others = [change for change in job.changes if change is not new]
        conflicts = [change.key for change in others if not self._fits(change)]
        if not conflicts and not self._put(new, _INSERT):
            conflicts.append(new.key)
        if not conflicts:
            for change in others:
                self._apply(change)
        return conflicts

    def _fits(self, change: Change) -> bool:
        if not change.conditional:
            return True
        row = self._execute(self._sql(_ETAG), self._prefix + change.key, self._timestamp()).fetchone()
        return change.etag == (row[0] if row else None)

    def _apply(self, change: Change) -> None:
        if isinstance(change, Remove):
            self._execute(self._sql(_DELETE), self._prefix + change.key)
        else:
            self._put(change, _REPLACE)

    def _put(self, change: Upsert, statement: str) -> bool:
        """Write a value; whether that changed anything."""
        now = self._timestamp()
        expires = None if change.ttl is None else self._timestamp(math.ceil(change.ttl))
        values = (
            self._prefix + change.key,
            change.value.decode(),
            f"{self._run_id}-{next(self._etags):x}",
            now,
            expires,
        )
        return self._execute(self._sql(statement), *values).rowcount > 0

    def _sweep(self) -> None:
        if self._clock.now() >= self._next_sweep:
            self._next_sweep = self._clock.now() + _SWEEP_SECONDS
            self._execute(self._sql(_SWEEP), self._timestamp())

    def _timestamp(self, seconds_from_now: int = 0) -> str:
        """UTC in the form of SQLite's CURRENT_TIMESTAMP, which sorts like time."""
        moment = int(self._clock.now()) + seconds_from_now
        found = self._stamps.get(moment)
        if found is None:
            if len(self._stamps) >= _STAMPS:
                self._stamps.clear()
            found = self._stamps[moment] = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(moment))
        return found

    def _sql(self, statement: str) -> str:
        """The statement for this table."""
        found = self._statements.get(statement)
        if found is None:
            found = self._statements[statement] = statement.format(table=self._table)
        return found
