"""FakeBroker: topics, consumer groups, and what else several sidecars of one test share."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Stored:
    """One message as a broker keeps it: bytes, and the metadata it was published with."""

    data: bytes
    metadata: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A value in a state store; ``expires`` is seconds since the epoch."""

    value: Any
    etag: str
    expires: float | None = None


class Callee(Protocol):
    """What the broker knows of a sidecar: how to call the application beside it."""

    async def call_app(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the application's answer."""
        ...


@dataclass
class _Topic:
    log: list[Stored] = field(default_factory=list)
    groups: dict[str, asyncio.Queue[Stored]] = field(default_factory=dict)


class FakeBroker:
    """Redis streams in a dictionary: every topic remembers all, every group gets each message once.

    As on Redis, a new group starts with the oldest message, and components share topics of the same name. Unlike Redis
    it keeps everything in memory for as long as it lives, never trims, orders strictly, and hands a message that was
    not acknowledged to the next consumer at once instead of after a time-out. State and sidecars are kept here too, so
    that they outlive a sidecar, as a database does.
    """

    def __init__(self) -> None:
        self.state: dict[str, dict[str, Entry]] = defaultdict(dict)
        self._topics: dict[str, _Topic] = defaultdict(_Topic)
        self._sidecars: dict[str, list[Callee]] = defaultdict(list)
        self._published = 0

    def publish(self, topic: str, message: Stored) -> None:
        """Keep the message and hand it to every group."""
        kept = self._topics[topic]
        kept.log.append(message)
        self._published += 1
        for queue in kept.groups.values():
            queue.put_nowait(message)

    def messages(self, topic: str) -> tuple[bytes, ...]:
        """All that was ever published to the topic."""
        return tuple(message.data for message in self._topics[topic].log)

    def group(self, topic: str, name: str) -> asyncio.Queue[Stored]:
        """What the group has still to handle; call ``task_done()`` for what is acknowledged."""
        kept = self._topics[topic]
        if name not in kept.groups:
            kept.groups[name] = asyncio.Queue()
            for message in kept.log:
                kept.groups[name].put_nowait(message)
        return kept.groups[name]

    async def wait_handled(self) -> None:
        """Wait until every group has acknowledged all of its messages, those published meanwhile included.

        A group whose sidecars are all gone keeps this waiting.
        """
        published = -1
        while published != self._published:
            published = self._published
            for topic in tuple(self._topics.values()):
                await asyncio.gather(*(queue.join() for queue in topic.groups.values()))

    def join(self, app_id: str, sidecar: Callee) -> None:
        """Let others invoke this application."""
        self._sidecars[app_id].append(sidecar)

    def leave(self, app_id: str, sidecar: Callee) -> None:
        """Take it back."""
        self._sidecars[app_id].remove(sidecar)

    def find(self, app_id: str) -> Callee | None:
        """A sidecar of this application, another one each time."""
        sidecars = self._sidecars[app_id]
        if not sidecars:
            return None
        sidecars.append(sidecars.pop(0))
        return sidecars[-1]
