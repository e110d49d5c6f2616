"""A set of entries that can be listed, on a store that can only get and write by key.

Every entry has a document of its own for its body, and a line in one of a few index documents for its summary. Index
documents are changed by compare-and-swap on their ETag; what one process changes while a write of that document is
under way leaves together as the next write. The body is written before the line and removed after it, under a new name
each time, so a crash, or a removal that meets a new entry of the same id, can leave a body without a line, never the
reverse.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import uuid4

import msgspec
from msgspec import Struct

from pillion.batches import Batches
from pillion.errors import ConflictError, PillionError, StoreError
from pillion.ports.store import Change, Remove, StateItem, StateStore, Upsert
from pillion.resilience.document import read

S = TypeVar("S", bound=Struct)

# So that no request grows too large for a sidecar.
_BATCH = 50
_ATTEMPTS = 40
_FIRST_WAIT = 0.005
_LAST_WAIT = 0.25

_decode_body = msgspec.json.Decoder(bytes).decode


class _Line(Struct, Generic[S], array_like=True, frozen=True):
    body: str
    summary: S


class _Change(NamedTuple):
    """What somebody does to an index document. A body is written before the index."""

    apply: Callable[[dict[str, Any]], Any]
    body: Upsert | None


class Ledger(Generic[S]):
    """Entries with an id, a small summary and a body; correct with any number of processes on one store.

    Index documents are read and written whole, so keep summaries small and entries in the thousands.

    Args:
        store: must keep ETags.
        name: of the set; keys in the store begin with ``pillion:<name>:``.
        summary: type of the summaries.
        shards: number of index documents. It must never change for a name that has entries.
    """

    def __init__(self, store: StateStore, name: str, summary: type[S], *, shards: int = 8) -> None:
        self._store = store
        self._prefix = f"pillion:{name}:"
        self._shards = [_Shard(store, f"{self._prefix}{number}", summary) for number in range(shards)]

    async def put(self, id_: str, summary: S, body: bytes) -> None:
        """Add an entry, or replace the one of this id; returns when all of it is written.

        Raises:
            StoreError: the store cannot do it, or too many write at once.
        """
        line = _Line(f"{self._prefix}m:{uuid4().hex}", summary)

        def add(index: dict[str, _Line[S]]) -> _Line[S] | None:
            replaced = index.get(id_)
            index[id_] = line
            return replaced

        replaced = await self._shard(id_).change(add, Upsert(line.body, msgspec.json.encode(body)))
        await self._forget([replaced.body] if replaced else [])

    async def remove(self, ids: Iterable[str], still: Callable[[S], bool] = lambda _: True) -> None:
        """Remove entries; a missing one is no error.

        Args:
            ids: of the entries.
            still: whether a summary is the one that is to be removed; another process may have replaced it.

        Raises:
            StoreError: the store cannot do it, or too many write at once.
        """

        def take(index: dict[str, _Line[S]], ids: Sequence[str]) -> list[str]:
            return [index.pop(id_).body for id_ in ids if id_ in index and still(index[id_].summary)]

        removed = await self._each_shard(ids, take)
        await self._forget([body for bodies in removed for body in bodies])

    async def change(self, ids: Iterable[str], decide: Callable[[S], S | None]) -> dict[str, S]:
        """Compare and swap: replace summaries by what ``decide`` makes of them; those it replaced.

        Args:
            ids: a missing one is left out.
            decide: the new summary, or None to leave it. It may be asked again when another process was faster.

        Raises:
            StoreError: the store cannot do it, or too many write at once.
        """

        def swap(index: dict[str, _Line[S]], ids: Sequence[str]) -> dict[str, S]:
            decided = {id_: decide(index[id_].summary) for id_ in ids if id_ in index}
            changed = {id_: summary for id_, summary in decided.items() if summary is not None}
            index.update({id_: _Line(index[id_].body, summary) for id_, summary in changed.items()})
            return changed

        changed = await self._each_shard(ids, swap)
        return {id_: summary for part in changed for id_, summary in part.items()}

    async def entries(self) -> dict[str, S]:
        """The summaries of all entries, by id.

        Raises:
            StoreError: the store cannot do it, or holds something else there.
        """
        return {id_: line.summary for id_, line in (await self._lines(self._shards)).items()}

    async def bodies(self, ids: Iterable[str]) -> dict[str, bytes]:
        """The bodies of these entries; a missing one is left out.

        Raises:
            StoreError: the store cannot do it.
        """
        wanted = list(ids)
        lines = await self._lines({self._shard(id_) for id_ in wanted})
        names = {id_: lines[id_].body for id_ in wanted if id_ in lines}
        found = await self._store.get(list(names.values())) if names else {}
        return {id_: read(_decode_body, name, found[name]) for id_, name in names.items() if name in found}

    async def body(self, id_: str) -> bytes | None:
        """The body of one entry, or None. Raises as ``bodies``."""
        return (await self.bodies([id_])).get(id_)

    async def _lines(self, shards: Iterable[_Shard[S]]) -> dict[str, _Line[S]]:
        by_key = {shard.key: shard for shard in shards}
        found = await self._store.get(list(by_key)) if by_key else {}
        return {id_: line for key, item in found.items() for id_, line in by_key[key].decode(item).items()}

    async def _each_shard(
        self, ids: Iterable[str], apply: Callable[[dict[str, _Line[S]], Sequence[str]], Any]
    ) -> list[Any]:
        parts: dict[_Shard[S], list[str]] = {}
        for id_ in ids:
            parts.setdefault(self._shard(id_), []).append(id_)
        return await asyncio.gather(
            *(shard.change(lambda index, part=part: apply(index, part)) for shard, part in parts.items())  # type: ignore[misc]
        )

    async def _forget(self, bodies: Sequence[str]) -> None:
        if bodies:
            # The entry is gone already; a body that stays behind costs space and nothing else.
            with suppress(PillionError):
                await _write(self._store, [Remove(name) for name in bodies])

    def _shard(self, id_: str) -> _Shard[S]:
        return self._shards[sha256(id_.encode()).digest()[0] % len(self._shards)]


class _Shard(Generic[S]):
    """One index document: id to line."""

    def __init__(self, store: StateStore, key: str, summary: type[S]) -> None:
        self.key = key
        self._store = store
        self._decoder = msgspec.json.Decoder(dict[str, _Line[summary]])  # type: ignore[valid-type]
        self._changes: Batches[_Change, Any] = Batches(self._write, _BATCH)

    def decode(self, item: StateItem) -> dict[str, _Line[S]]:
        """The lines of the document.

        Raises:
            StoreError: it is not ours.
        """
        return read(self._decoder.decode, self.key, item)

    async def change(self, apply: Callable[[dict[str, _Line[S]]], Any], body: Upsert | None = None) -> Any:
        """Change the document, together with whatever else waits for it; what ``apply`` answered."""
        return await self._changes.put(_Change(apply, body))

    async def _write(self, batch: Sequence[_Change]) -> list[Any]:
        if bodies := [change.body for change in batch if change.body]:
            await _write(self._store, bodies)
        for attempt in range(_ATTEMPTS):
            try:
                return await self._try(batch)
            except ConflictError:
                await asyncio.sleep(random.random() * min(_LAST_WAIT, _FIRST_WAIT * 2**attempt))
        raise StoreError(f"{self.key!r} was changed by others {_ATTEMPTS} times in a row; try again later")

    async def _try(self, batch: Sequence[_Change]) -> list[Any]:
        item = (await self._store.get([self.key])).get(self.key)
        index = self.decode(item) if item else {}
        answers = [change.apply(index) for change in batch]
        value = msgspec.json.encode(index)
        if value != (item.value if item else b"{}"):
            etag = item.etag if item else None
            await self._store.write([Upsert(self.key, value, etag=etag, first_write=True)])
        return answers


async def _write(store: StateStore, changes: Sequence[Change]) -> None:
    # They need not be one transaction. But many writes side by side starve each other on SQLite behind Dapr.
    await (store.transact(changes) if store.capabilities.transactions else store.write(changes))
