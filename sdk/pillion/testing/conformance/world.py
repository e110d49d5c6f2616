"""The world that behaviours run in: hosts on one broker, whatever carries their messages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

import pytest
from pydantic import BaseModel

from pillion.pipeline.facilities import LONGEST_WAIT
from pillion.pipeline.outbound import Cause
from pillion.ports.bridge import Outgoing
from pillion.ports.store import StateStore
from pillion.runtime.host import Host
from pillion.service.guard import Guard
from pillion.service.service import Service

T = TypeVar("T")

Publish: TypeAlias = Callable[[Sequence[Outgoing]], Awaitable[None]]

# A time no behaviour should need, also on a slow machine; it turns a hang into a failure. Seconds.
PATIENCE = 40.0

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
            is published before its first subscriber ever started is kept for it. ``second instance of an app``: one
            that runs at the same time as the first. ``order by key``: messages of one key are brought in their order.
            ``cancellation``: who handles a command learns that its caller has given up. ``repetition``: what is
            published twice with one id is delivered twice.
        state: name of a state component that every host has. It begins empty, and its store has ETags, conditional
            transactions and TTLs.
    """

    @property
    def lacks(self) -> frozenset[str]:
        """What this world cannot do."""
        ...

    @property
    def state(self) -> str:
        """The state component of every host."""
        ...

    def name(self, word: str) -> str:
        """A name for a service that no other test uses, made of this word."""
        ...

    async def start(
        self,
        *services: Service[Any, Any],
        guards: Mapping[str, Guard] | None = None,
        publishing: Callable[[Publish], Publish] | None = None,
        storing: Callable[[StateStore], StateStore] | None = None,
        drain_seconds: float = 10.0,
        longest_wait: float = LONGEST_WAIT,
    ) -> Host:
        """Run services in a host of their own; returns when it takes messages.

        Its app id is the service's name. Starting the same service twice makes two instances of one app.

        Args:
            services: what to run.
            guards: replacements by guard name.
            publishing: what to call instead of the bridge's ``publish``, made from that.
            storing: what to use instead of each state store, made from that.
            drain_seconds, longest_wait: the host's settings of these names.
        """
        ...

    async def stop(self, host: Host) -> int:
        """Stop a host the way its platform does; how many messages were cut off."""
        ...

    async def crash(self) -> None:
        """Let all hosts die the way SIGKILL ends them: nothing that they still do reaches a broker or a store.

        What is in the stores stays. A host that is started afterwards opens them anew.
        """

    async def publish_event(self, topic: str, event: bytes) -> None:
        """Publish these bytes as they are, as an application that speaks CloudEvents."""

    async def publish_data(self, topic: str, data: bytes) -> None:
        """Publish JSON the way plain Dapr applications do: Dapr puts its own CloudEvent around it."""

    async def publish_raw(self, topic: str, body: bytes) -> None:
        """Publish any bytes without a CloudEvent around them (Dapr's ``rawPayload``)."""

    async def store(self) -> StateStore:
        """The store behind ``state``, opened by somebody else than a host."""
        ...

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
        return await self.until(lambda items: len(items) >= count)

    async def until(self, enough: Callable[[Sequence[T]], bool]) -> Sequence[T]:
        """All that was noted, once that is enough."""
        async with asyncio.timeout(PATIENCE):
            while not enough(self.items):
                self._changed.clear()
                await self._changed.wait()
        return self.items


async def eventually(look: Callable[[], Awaitable[T]]) -> T:
    """What ``look`` finds, once it finds something; for what nobody tells of."""
    async with asyncio.timeout(PATIENCE):
        while not (found := await look()):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        return found


async def until_shared(work: Callable[[int], Awaitable[object]], workers: Collection[object]) -> None:
    """Have work done, numbered -1, -2 and so on, until two instances are among its workers.

    Then the broker knows of both. While it learns of the second one, what is in hand may come twice.
    """
    number = 0
    async with asyncio.timeout(PATIENCE):
        while len(workers) < 2:
            number -= 1
            await work(number)


class Note(BaseModel):
    """A payload for behaviours that do not care what they carry."""

    text: str
    number: int = 0


def needs(world: World, ability: str) -> None:
    """Skip the test where the world has not this ability."""
    if ability in world.lacks:
        pytest.skip(f"this world has no {ability}")
