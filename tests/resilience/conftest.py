"""State stores that share a clock which tests move, and an inbox on them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from pillion.ports.store import StateStore
from pillion.resilience.inbox import Inbox
from pillion.stores.memory import MemoryStateStore
from pillion.stores.sqlite import SQLiteStateStore
from pillion.testing.clock import FakeClock
from tests.resilience.inboxes import inbox_of


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest_asyncio.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> AsyncIterator[StateStore]:
    made: dict[str, StateStore] = {
        "memory": MemoryStateStore(clock),
        "sqlite": SQLiteStateStore(tmp_path / "state.db", clock=clock),
    }
    chosen = made[request.param]
    await chosen.start()
    yield chosen
    await chosen.close()


@pytest_asyncio.fixture
async def inbox(store: StateStore, clock: FakeClock) -> AsyncIterator[Inbox]:
    inbox = inbox_of(store, clock)
    yield inbox
    await inbox.close()
