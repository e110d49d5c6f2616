"""Dead letters of the fragile service, put where it keeps its own, and read through the command line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Raw

from pillion.message import Message
from pillion.ports.clock import SystemClock
from pillion.resilience.deadletter import dead_letter
from pillion.resilience.letters import Letters
from pillion.stores.sqlite import SQLiteStateStore
from pillion.testing.clock import FakeClock
from tests.cli.invoking import invoke

WEAK = "fragile.v1.weak"
_DAY = 86400.0


def options(profile: Path, *apps: str) -> tuple[str, ...]:
    named = [part for app in apps or ("service",) for part in ("--app", f"tests.cli.fragile:{app}")]
    return (*named, "--profile", str(profile))


def message(id_: str = "m-1", **attributes: Any) -> Message:
    return Message(
        id=id_, source="/shop/source.v1", type="source.v1.told", specversion="1.0", correlation_id="c-1",
        data=Raw(b"7"), **attributes,
    )  # fmt: skip


def dead(id_: str = "m-1", address: str = WEAK, **attributes: Any) -> Message:
    return dead_letter(message(id_, **attributes), address, "failed 2 times", ValueError("x"))


def keep(profile: Path, *letters: Message, group: str = "fragile.v1", days_ago: float = 0.0) -> None:
    """Put letters where the service of this profile keeps its own."""

    async def put() -> None:
        store = SQLiteStateStore(profile / "state.db", prefix="fragile")
        await store.start()
        clock = FakeClock(SystemClock().now() - days_ago * _DAY)
        for letter in letters:
            await Letters(store, group, clock).keep(letter)
        await store.close()

    asyncio.run(put())


def listed(where: tuple[str, ...], *filters: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(invoke("dlq", "ls", "--json", *where, *filters).stdout)
    return found


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(40):
        while not condition():  # noqa: ASYNC110 - another process has to do something
            await asyncio.sleep(0.02)
