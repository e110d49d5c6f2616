"""A state store that keeps what one execution writes, until it is written with everything else that came of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from pillion.errors import ConflictError, StoreError
from pillion.ports.store import Change, Remove, StateCapabilities, StateItem, StateStore, Upsert


class _Held(NamedTuple):
    """What was asked for first under a key, which has the condition, and what came last, which has the value."""

    first: Change
    last: Change
    etag: str | None

    @property
    def merged(self) -> Change | None:
        if self.first is self.last:
            return self.last
        etag = self.first.etag
        if isinstance(self.last, Upsert):
            first_write = isinstance(self.first, Upsert) and self.first.first_write
            return replace(self.last, etag=etag, first_write=first_write)
        # What is written only if there is nothing, and removed again, leaves nothing; nobody else's value may go.
        created = isinstance(self.first, Upsert) and self.first.first_write and etag is None
        return None if created else Remove(self.last.key, etag)


class HeldStore:
    """Reads through to a store, sees its own writes, and lets none of them reach the store.

    What was read and then written is to be written only over the version that was read, if the store can do that in a
    transaction; so of two executions that change one value, the later one fails and starts again.

    The ETag of a value that this execution wrote is good for this execution only.

    Args:
        store: started and closed by its owner.
    """

    def __init__(self, store: StateStore) -> None:
        self._store = store
        self._held: dict[str, _Held] = {}
        self._read: dict[str, str | None] = {}
        self._versions = 0

    @property
    def capabilities(self) -> StateCapabilities:
        """Those of the store."""
        return self._store.capabilities

    async def start(self) -> None:
        """Nothing to do: the store is its owner's."""

    async def close(self) -> None:
        """Nothing to do: the store is its owner's."""

    async def get(self, keys: Sequence[str]) -> dict[str, StateItem]:
        """What is there under these keys, as this execution left it.

        Raises:
            StoreError: the store cannot be read.
        """
        elsewhere = [key for key in keys if key not in self._held]
        found = await self._store.get(elsewhere) if elsewhere else {}
        for key in elsewhere:
            self._read.setdefault(key, found[key].etag if key in found else None)
        own = {key: item for key in keys if (item := self._item(key)) is not None}
        return {**found, **own} if own else found

    async def write(self, changes: Sequence[Change]) -> None:
        """Collect changes; as all are checked first, all or none.

        Raises:
            ConflictError: a condition does not fit what this execution wrote.
            StoreError: the store cannot write conditionally together with other changes.
        """
        for change in changes:
            self._check(change)
        for change in changes:
            self._hold(change)

    async def transact(self, changes: Sequence[Change]) -> None:
        """Collect changes, all or none. Raises as ``write``."""
        await self.write(changes)

    def changes(self) -> list[Change]:
        """What is to be written in the end: one change per key, with its first condition and its last value."""
        merged = [change for held in self._held.values() if (change := held.merged) is not None]
        if not (self._read and self.capabilities.conditional_transactions):
            return merged
        return [self._guarded(change) for change in merged]

    def _guarded(self, change: Change) -> Change:
        """The change, on condition that its key is still as it was read."""
        if change.conditional or change.key not in self._read:
            return change
        etag = self._read[change.key]
        if isinstance(change, Remove):
            return replace(change, etag=etag)
        return replace(change, etag=etag, first_write=True)

    def _item(self, key: str) -> StateItem | None:
        held = self._held.get(key)
        if held is None or held.etag is None or isinstance(held.last, Remove):
            return None
        return StateItem(held.last.value, held.etag)

    def _check(self, change: Change) -> None:
        if not change.conditional:
            return
        if not self.capabilities.conditional_transactions:
            raise StoreError(
                f"state {change.key!r}: this store cannot write conditionally together with other changes; write "
                "without etag= and first_write= in a once handler, or choose another state store"
            )
        held = self._held.get(change.key)
        if held is not None and change.etag != held.etag:
            raise ConflictError(f"state {change.key!r} was written by this handler itself since; read it again")

    def _hold(self, change: Change) -> None:
        self._versions += 1
        etag = f"held:{self._versions}" if isinstance(change, Upsert) else None
        held = self._held.get(change.key)
        self._held[change.key] = _Held(held.first if held else change, change, etag)
