"""The outside world: publishes orders until the broker has accepted each, with the same ids every time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from msgspec import Raw

from pillion.errors import BridgeError
from pillion.message import Message
from pillion.ports.bridge import Bridge, Outgoing
from tests.chaos.business.contract import Order, noted, place

_TOGETHER = 50
_PAUSE_SECONDS = 0.2


class Publisher:
    """An at-least-once publisher.

    Args:
        bridge: what it publishes through.
        room: returns when this share of the messages may have been published.

    Attributes:
        accepted: how many messages the sidecar has accepted, each counted once.
        retried: how many attempts it refused.
    """

    def __init__(self, bridge: Bridge, room: Callable[[float], Awaitable[None]]) -> None:
        self._bridge = bridge
        self._room = room
        self.accepted = 0
        self.retried = 0

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        """Publish all; returns when all are accepted."""
        for start in range(0, len(messages), _TOGETHER):
            await self._room(start / len(messages))
            await asyncio.gather(*(self._publish(outgoing) for outgoing in messages[start : start + _TOGETHER]))

    async def _publish(self, outgoing: Outgoing) -> None:
        while True:
            try:
                await self._bridge.publish([outgoing])
            except BridgeError:
                self.retried += 1
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                self.accepted += 1
                return


def placing(order: Order) -> Outgoing:
    """The message that places an order."""
    return Outgoing(place.send_topic, _message(f"place-{order.number}", place.address, order))


def noting(order: Order) -> Outgoing:
    """The message with a note about an order."""
    return Outgoing(noted.topic, _message(f"note-{order.number}", noted.address, order))


def duplicated(messages: Sequence[Outgoing], chance: random.Random) -> list[Outgoing]:
    """Half of the messages once, half of them two to four times: at once and later."""
    found: list[Outgoing] = []
    for message in messages:
        found.append(message)
        for _ in range(chance.choice((0, 0, 0, 1, 2, 3))):
            found.insert(max(0, len(found) - chance.choice((0, 1, 40))), message)
    return found


def shuffled(messages: Sequence[Outgoing], chance: random.Random, within: int = 400) -> list[Outgoing]:
    """The messages in another order, each not far from its place."""
    found: list[Outgoing] = []
    for start in range(0, len(messages), within):
        part = list(messages[start : start + within])
        chance.shuffle(part)
        found += part
    return found


def _message(name: str, type_: str, order: Order) -> Message:
    return Message(
        id=f"chaos-{name}",
        source="/chaos",
        type=type_,
        specversion="1.0",
        time=datetime.now(UTC),
        datacontenttype="application/json",
        data=Raw(order.model_dump_json().encode()),
    )
