"""Inboxes, and stores to try them on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from msgspec import Raw

from pillion.errors import StoreError
from pillion.message import Message
from pillion.ports.bridge import Outgoing
from pillion.ports.store import Change, StateItem, StateStore
from pillion.resilience.inbox import Claim, Inbox
from pillion.resilience.record import Record
from pillion.stores.memory import MemoryStateStore
from pillion.testing.clock import FakeClock

KEY = "orders.v1.refund|/shop/payments.v1|1"
CHARGED = Message(
    id="2",
    source="/shop/orders.v1",
    type="orders.v1.refunded",
    specversion="1.0",
    data=Raw(b'{"amount":1.10}'),
    extensions={"vendor": "x"},
)
OUTGOING = [Outgoing("orders.v1.refunded", CHARGED, "other", 1_900_000_000.5), Outgoing("b", CHARGED)]


def inbox_of(store: StateStore, clock: FakeClock, owner: str = "a/1") -> Inbox:
    return Inbox(store, clock, window=3600, lease=30, owner=owner)


class DoubtfulStore(MemoryStateStore):
    """Writes, and, while it is doubtful, says that it did not."""

    doubtful = False

    async def write(self, changes: Sequence[Change]) -> None:
        await super().write(changes)
        if self.doubtful:
            raise StoreError("no answer")


async def claim_of(inbox: Inbox, key: str = KEY) -> Claim:
    claim = await inbox.begin(key)
    assert isinstance(claim, Claim)
    return claim


async def record_of(inbox: Inbox, key: str = KEY) -> Record:
    record = await inbox.begin(key)
    assert isinstance(record, Record)
    return record


class CountingStore(MemoryStateStore):
    """Counts its operations, and takes turns as a real store does."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.operations: list[str] = []

    async def get(self, keys: Sequence[str]) -> dict[str, StateItem]:
        self.operations.append("get")
        await asyncio.sleep(0)
        return await super().get(keys)

    async def write(self, changes: Sequence[Change]) -> None:
        self.operations.append(f"write {len(changes)}")
        await asyncio.sleep(0)
        await super().write(changes)

    async def transact(self, changes: Sequence[Change]) -> None:
        self.operations.append(f"transact {len(changes)}")
        await asyncio.sleep(0)
        await super().transact(changes)
