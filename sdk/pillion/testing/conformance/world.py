"""The world that behaviours run in: hosts on one broker, whatever carries their messages."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

import pytest
from pydantic import BaseModel

from pillion.pipeline.outbound import Cause
from pillion.runtime.host import Host
from pillion.service.guard import Guard
from pillion.service.service import Service

T = TypeVar("T")

# A time no behaviour should need; it turns a hang into a failure. Seconds.
PATIENCE = 20.0

TRACE = "0af7651916cd43dd8448eb211c80319c"
CAUSE = Cause(
    correlation_id="correlation-1",
    tenant_id="acme",
    principal_id="ada",
    traceparent=f"00-{TRACE}-b7ad6b7169203331-01",
)


class World(Protocol):
    """Runs hosts and does what applications that are not built on pillion do. Everything ends with the test.

    Behaviours run their services in the test's own process, so handlers may share objects with the test; only the
    messages between hosts go through whatever the world is made of.

    Attributes:
        lacks: names of what this world cannot do; behaviours that need it are skipped. ``memory-of-the-unheard``: what
            is published before its first subscriber ever started is kept for it.
    """

    @property
    def lacks(self) -> frozenset[str]:
        """What this world cannot do."""
        ...

    def name(self, word: str) -> str:
        """A name for a service that no other test uses, made of this word."""
        ...

    async def start(
        self, *services: Service[Any, Any], guards: Mapping[str, Guard] | None = None, drain_seconds: float = 10.0
    ) -> Host:
        """Run services in a host of their own; returns when it takes messages.

        Its app id is the service's name. Starting the same service twice makes two instances of one app.
        """
        ...

    async def stop(self, host: Host) -> int:
        """Stop a host the way its platform does; how many messages were cut off."""
        ...

    async def publish_event(self, topic: str, event: bytes) -> None:
        """Publish these bytes as they are, as an application that speaks CloudEvents."""

    async def publish_data(self, topic: str, data: bytes) -> None:
        """Publish JSON the way plain Dapr applications do: Dapr puts its own CloudEvent around it."""

    async def publish_raw(self, topic: str, body: bytes) -> None:
        """Publish any bytes without a CloudEvent around them (Dapr's ``rawPayload``)."""

    async def quiet(self) -> None:
        """Wait until what was published has been handled, so that what did not come will not come."""


class Seen(Generic[T]):
    """What handlers noted; the test waits for it."""

    def __init__(self) -> None:
        self.items: list[T] = []
        self._changed = asyncio.Event()

    def add(self, item: T) -> None:
        """Note it."""
        self.items.append(item)
        self._changed.set()

    async def wait(self, count: int = 1) -> Sequence[T]:
        """All that was noted, once that is at least so many."""
        async with asyncio.timeout(PATIENCE):
            while len(self.items) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.items


class Note(BaseModel):
    """A payload for behaviours that do not care what they carry."""

    text: str
    number: int = 0


def needs(world: World, ability: str) -> None:
    """Skip the test where the world has not this ability."""
    if ability in world.lacks:
        pytest.skip(f"this world has no {ability}")
