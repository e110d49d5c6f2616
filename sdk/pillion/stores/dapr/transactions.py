"""Transactions that come side by side share a request to the sidecar, and none suffers from another."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from operator import attrgetter
from typing import TypeAlias

from pillion.batches import Batches
from pillion.errors import ConflictError, PillionError, SidecarError, SidecarUnavailable, StoreError
from pillion.ports.store import Change, Upsert

# How many transactions share a request, at most, and how many bytes of values they have.
_LARGEST_BATCH = 50
_LARGEST_BYTES = 1_000_000

Transaction: TypeAlias = Sequence[Change]
# Applies all changes or none; raises what StateStore.transact does.
Apply: TypeAlias = Callable[[Transaction], Awaitable[None]]


class Transactions:
    """The transactions of one store.

    Several make one together. When that is refused its halves are tried, down to those that are to blame.

    Args:
        apply: asks the sidecar.
    """

    def __init__(self, apply: Apply) -> None:
        self._apply = apply
        self._batches: Batches[Transaction, None] = Batches(self._apply_all, _LARGEST_BATCH)
        self.close = self._batches.close

    async def put(self, changes: Transaction) -> None:
        """Apply all changes or none; comes to its end also when it is cancelled.

        Raises:
            ConflictError: a change did not fit what is there.
            StoreError: the component cannot do it.
            SidecarError: the sidecar does not do it.
        """
        await self._batches.put(changes, to_its_end=True)

    async def _apply_all(self, transactions: Sequence[Transaction]) -> Sequence[PillionError | None]:
        first, rivals = _apart(transactions)
        found = dict(zip(first, await self._tried([transactions[number] for number in first]), strict=True))
        again: list[int] = []
        for number, rival in rivals.items():
            applied = rival in found and found[rival] is None
            lost = _lost(transactions[rival], transactions[number]) if applied else ""
            if lost:
                found[number] = ConflictError(
                    f"somebody else wrote first to {lost}; read it again and repeat the change"
                )
            else:
                again.append(number)
        if again:
            outcomes = await self._apply_all([transactions[number] for number in again])
            found.update(zip(again, outcomes, strict=True))
        return [found[number] for number in range(len(transactions))]

    async def _tried(self, transactions: Sequence[Transaction]) -> Sequence[PillionError | None]:
        """What came of each; their keys are distinct."""
        if len(transactions) > 1 and _size(transactions) > _LARGEST_BYTES:
            return await self._halves(transactions)
        # Writers that lock the same keys in the same order never wait for each other in a circle.
        changes = sorted((change for part in transactions for change in part), key=attrgetter("key"))
        try:
            await self._apply(changes)
        except SidecarUnavailable as error:
            return [error] * len(transactions)
        except (StoreError, SidecarError) as error:
            return [error] if len(transactions) == 1 else await self._halves(transactions)
        return [None] * len(transactions)

    async def _halves(self, transactions: Sequence[Transaction]) -> Sequence[PillionError | None]:
        middle = len(transactions) // 2
        return [*await self._tried(transactions[:middle]), *await self._tried(transactions[middle:])]


def _apart(transactions: Sequence[Transaction]) -> tuple[Sequence[int], Mapping[int, int]]:
    """The numbers of those that can be parts of one; each other one with an earlier that changes the same value."""
    first: list[int] = []
    rivals: dict[int, int] = {}
    owners: dict[str, int] = {}
    for number, changes in enumerate(transactions):
        rival = next((owners[change.key] for change in changes if change.key in owners), None)
        if rival is None:
            first.append(number)
        else:
            rivals[number] = rival
        for change in changes:
            owners.setdefault(change.key, number)
    return first, rivals


def _lost(applied: Transaction, other: Transaction) -> str:
    """The keys of which the other wants to change a version that is gone."""
    versions = {change.key: change.etag for change in applied if change.conditional}
    return ", ".join(
        change.key
        for change in other
        if change.conditional and change.key in versions and versions[change.key] == change.etag
    )


def _size(transactions: Sequence[Transaction]) -> int:
    return sum(len(change.value) for part in transactions for change in part if isinstance(change, Upsert))
