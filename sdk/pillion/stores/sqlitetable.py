"""The table of Dapr's ``state.sqlite`` v1 in an open database. Only for the one thread that has the database.

A batch of changes is decided in memory, from the ETags that are there, and written with a few statements: each one
costs this thread the interpreter lock, and the event loop a pause.

Source: components-contrib 1.18, ``state/sqlite``. Expiry has whole seconds there, so it has them here.
"""

from __future__ import annotations

import math
import sqlite3
import time
import uuid
from base64 import b64decode
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain, count
from typing import Any, NamedTuple, TypeAlias

from pillion.ports.clock import Clock
from pillion.ports.store import Change, Remove, StateItem, Upsert

_SWEEP_SECONDS = 60.0
_STAMPS = 1000
# Statements come in few sizes, so that SQLite need not parse them anew.
_KEYS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
_ROWS = (1, 2, 4, 8, 16, 32, 64)

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
_ETAGS = "SELECT key, etag FROM {table} WHERE key IN ({marks}) AND " + _ALIVE  # noqa: S608
_UPSERT = (
    "INSERT INTO {table} (key, value, is_binary, etag, update_time, expiration_time) VALUES {marks} "
    "ON CONFLICT (key) DO UPDATE SET value = excluded.value, is_binary = 0, etag = excluded.etag, "
    "update_time = excluded.update_time, expiration_time = excluded.expiration_time"
)
# Where a value is that has not expired, nothing is changed.
_INSERT = _UPSERT + " WHERE {table}.expiration_time <= excluded.update_time"
_DELETE = "DELETE FROM {table} WHERE key IN ({marks})"
_SWEEP = "DELETE FROM {table} WHERE expiration_time IS NOT NULL AND expiration_time <= ?"

_Row: TypeAlias = tuple[str, str, str | None, str, str | None]


class Job(NamedTuple):
    """Changes that somebody waits for.

    Attributes:
        changes: with distinct keys.
        all_or_none: when one does not fit what is there, none is applied.
    """

    changes: Sequence[Change]
    all_or_none: bool


class SQLiteTable:
    """Values by key.

    Args:
        database: open, without transactions of its own.
        name: of the table; made if it is not there.
        prefix: begins every key.
        clock: decides when values expire.
    """

    def __init__(self, database: sqlite3.Connection, name: str, prefix: str, clock: Clock) -> None:
        self._database = database
        self._name = name
        self._prefix = prefix
        self._now = clock.now
        self._next_sweep = 0.0
        self._run_id = uuid.uuid4().hex
        self._versions = count()
        self._stamps: dict[int, str] = {}
        self._statements: dict[tuple[str, int], str] = {}
        database.execute(_CREATE.format(table=name))

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def read(self, keys: Sequence[str]) -> dict[str, StateItem]:
        """What is there under these keys."""
        return {
            key[len(self._prefix) :]: StateItem(b64decode(value) if is_binary else value.encode(), etag)
            for key, value, is_binary, etag in self._found(_SELECT, keys)
        }

    def write(self, jobs: Sequence[Job]) -> list[list[str]]:
        """Do all these in one transaction; for each, the keys of changes that did not fit what was there.

        Raises:
            sqlite3.Error: SQLite refused; nothing was written.
            ValueError: a value is no text; nothing was written.
        """
        self._database.execute("BEGIN IMMEDIATE")
        try:
            self._sweep()
            conflicts = self._do(jobs)
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise
        return conflicts

    def _do(self, jobs: Sequence[Job]) -> list[list[str]]:
        asked = [change for job in jobs for change in job.changes if change.conditional]
        keys = {change.key for change in asked}
        if all(change.etag is None for change in asked):
            # Most values that are to be new are: writing them finds that out without another look.
            batch = _Batch({})
            conflicts = [batch.add(job, self._run_id, self._versions) for job in jobs]
            if self._apply(batch, keys):
                return conflicts
            self._database.execute("ROLLBACK")
            self._database.execute("BEGIN IMMEDIATE")
        batch = _Batch({key[len(self._prefix) :]: etag for key, etag in self._found(_ETAGS, list(keys))})
        conflicts = [batch.add(job, self._run_id, self._versions) for job in jobs]
        self._apply(batch, set())
        return conflicts

    def _apply(self, batch: _Batch, new: AbstractSet[str]) -> bool:
        """Write a batch; False, and perhaps a part of it, when one of the new keys has a value."""
        first: list[_Row] = []
        rows: list[_Row] = []
        now = self._stamp(0)
        for key, change in batch.changes.items():
            if isinstance(change, Upsert):
                expires = None if change.ttl is None else self._stamp(math.ceil(change.ttl))
                row = (self._prefix + key, change.value.decode(), batch.etags[key], now, expires)
                (first if key in new else rows).append(row)
        if self._insert(_INSERT, first) < len(new):
            return False
        self._insert(_UPSERT, rows)
        self._remove([key for key, change in batch.changes.items() if isinstance(change, Remove)])
        return True

    def _found(self, statement: str, keys: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        for part, size in _parts(keys, _KEYS):
            # What is not asked for is NULL, which equals no key.
            values = [self._prefix + key for key in part] + [None] * (size - len(part))
            yield from self._database.execute(self._sql(statement, size), [*values, self._stamp(0)])

    def _remove(self, keys: Sequence[str]) -> None:
        for part, size in _parts(keys, _KEYS):
            values = [self._prefix + key for key in part] + [None] * (size - len(part))
            self._database.execute(self._sql(_DELETE, size), values)

    def _insert(self, statement: str, rows: Sequence[_Row]) -> int:
        """How many rows that changed."""
        first = changed = 0
        for size in reversed(_ROWS):
            while len(rows) - first >= size:
                values = list(chain.from_iterable(rows[first : first + size]))
                changed += self._database.execute(self._sql(statement, size, "(?, ?, 0, ?, ?, ?)"), values).rowcount
                first += size
        return changed

    def _sweep(self) -> None:
        if self._now() >= self._next_sweep:
            self._next_sweep = self._now() + _SWEEP_SECONDS
            self._database.execute(_SWEEP.format(table=self._name), [self._stamp(0)])

    def _stamp(self, seconds_from_now: int) -> str:
        """UTC in the form of SQLite's CURRENT_TIMESTAMP, which sorts like time."""
        moment = int(self._now()) + seconds_from_now
        found = self._stamps.get(moment)
        if found is None:
            if len(self._stamps) >= _STAMPS:
                self._stamps.clear()
            found = self._stamps[moment] = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(moment))
        return found

    def _sql(self, statement: str, size: int, mark: str = "?") -> str:
        """The statement for this table and so many marks."""
        found = self._statements.get((statement, size))
        if found is None:
            found = statement.format(table=self._name, marks=", ".join([mark] * size))
            self._statements[statement, size] = found
        return found


class _Batch:
    """What is to be written, as one job after another decides it.

    Attributes:
        etags: of the values that somebody asked for or writes, by key.
        changes: the last one of each key.
    """

    def __init__(self, etags: dict[str, str | None]) -> None:
        self.etags = etags
        self.changes: dict[str, Change] = {}

    def add(self, job: Job, run_id: str, versions: Iterator[int]) -> list[str]:
        """Apply a job; the keys of changes that do not fit."""
        conflicts = [
            change.key for change in job.changes if change.conditional and change.etag != self.etags.get(change.key)
        ]
        if conflicts and job.all_or_none:
            return conflicts
        for change in job.changes:
            if change.key not in conflicts:
                self.changes[change.key] = change
                self.etags[change.key] = f"{run_id}-{next(versions):x}" if isinstance(change, Upsert) else None
        return conflicts


def _parts(keys: Sequence[str], sizes: Sequence[int]) -> Iterator[tuple[Sequence[str], int]]:
    """The keys in parts, each with the size of the statement that it fits in."""
    for first in range(0, len(keys), sizes[-1]):
        part = keys[first : first + sizes[-1]]
        yield part, next(size for size in sizes if size >= len(part))
