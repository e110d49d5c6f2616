"""State in a SQLite file, in the very table of Dapr's ``state.sqlite`` v1, so that a sidecar can take the file over."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from pillion.batches import Batches
from pillion.errors import ConfigurationError, ConflictError, StoreError
from pillion.ports.clock import Clock, SystemClock
from pillion.ports.store import Change, StateCapabilities, StateItem
from pillion.stores.sqlitetable import Job, SQLiteTable

T = TypeVar("T")

_BUSY_SECONDS = 5.0
_LARGEST_BATCH = 256


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
        self._name = table
        self._clock = clock or SystemClock()
        self._thread: ThreadPoolExecutor | None = None
        self._table: SQLiteTable | None = None
        # What comes while a transaction is under way shares the next, and its sync.
        self._changes: Batches[Job, list[str]] = Batches(self._write_all, _LARGEST_BATCH)

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
        return await self._run(lambda: self._opened().read(keys))

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
        if conflicts := await self._changes.put(Job(changes, all_or_none), to_its_end=True):
            names = ", ".join(sorted(conflicts))
            raise ConflictError(f"somebody else wrote first to {names}; read it again and repeat the change")

    async def _write_all(self, jobs: Sequence[Job]) -> Sequence[list[str] | Exception]:
        return await self._run(lambda: self._change(jobs))

    async def _run(self, work: Callable[[], T]) -> T:
        if self._thread is None:
            raise self._not_started()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except sqlite3.Error as error:
            if self._table is None:
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
            self._table = SQLiteTable(database, self._name, self._prefix, self._clock)
        except sqlite3.Error:
            database.close()
            raise

    def _shut(self) -> None:
        table, self._table = self._table, None
        if table is not None:
            table.close()

    def _opened(self) -> SQLiteTable:
        if self._table is None:
            raise StoreError(f"SQLite store {self.path} is not open; call start() first")
        return self._table

    def _change(self, jobs: Sequence[Job]) -> Sequence[list[str] | Exception]:
        """What came of each job: the keys that did not fit. One that SQLite refuses does not spoil the others."""
        try:
            return self._opened().write(jobs)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told to whoever caused it
            if len(jobs) == 1 or _locked(error):
                refused = f"SQLite store {self.path}: {error}; nothing was written"
                return [StoreError(refused) if isinstance(error, sqlite3.Error) else error] * len(jobs)
            return [self._change([job])[0] for job in jobs]


def _locked(error: Exception) -> bool:
    """Somebody else has the file, so that it is refused to all of them."""
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
