"""Where an app is made to die, and how its writes and publishes are made unreliable: wrappers around public ports.

What happens is said by the environment, so that the app itself is the one that ``pillion run`` runs:

- ``CHAOS_POINT=after-write:120``: SIGKILL to itself the 120th time that it passes this point;
- ``CHAOS_WRITES=7:0.05``: with seed 7, one in twenty writes succeeds and reports a timeout;
- ``CHAOS_DELAYS=7:0.2``: with seed 7, each publish is held up for up to 0.2 seconds, so that messages overtake.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from typing import Any

from pillion.bridges.dapr.bridge import DaprBridge
from pillion.errors import SidecarUnavailable
from pillion.flow import Handle
from pillion.message import Message
from pillion.outcome import Outcome
from pillion.ports.bridge import Route
from pillion.stores.dapr.state import DaprStateStore
from tests.chaos.business.journal import Journal

POINT, WRITES, DELAYS = "CHAOS_POINT", "CHAOS_WRITES", "CHAOS_DELAYS"
POINTS = (
    "before-handler",
    "after-handler",
    "before-write",
    "after-write",
    "before-publish",
    "after-publish",
    "before-acknowledgement",
)
Method = Callable[..., Awaitable[Any]]


class Bomb:
    """Kills this process the nth time that it passes a point.

    Args:
        text: ``POINT:COUNT``.
    """

    def __init__(self, text: str) -> None:
        self._point, _, count = text.partition(":")
        self._left = int(count)

    def passes(self, point: str) -> None:
        """This process is at the point."""
        if point == self._point:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def around(self, method: Method, name: str) -> Method:
        """The method, with a point before and one after it."""

        @wraps(method)
        async def wrapped(*given: Any, **named: Any) -> Any:
            self.passes(f"before-{name}")
            found = await method(*given, **named)
            self.passes(f"after-{name}")
            return found

        return wrapped

    def handle(self, handle: Handle) -> Handle:
        """The handle of a route, with a point before the handler and one before the answer to the broker."""

        async def wrapped(message: Message) -> Outcome:
            self.passes("before-handler")
            outcome = await handle(message)
            self.passes("before-acknowledgement")
            return outcome

        return wrapped


def install(environ: Mapping[str, str] = os.environ) -> None:
    """Do what the environment says to the ports of this process."""
    if text := environ.get(POINT):
        _arm(Bomb(text))
    if text := environ.get(WRITES):
        for name in ("write", "transact"):
            _replace(DaprStateStore, name, _doubtful(getattr(DaprStateStore, name), *_seeded(text)))
    if text := environ.get(DELAYS):
        _replace(DaprBridge, "publish", _late(DaprBridge.publish, *_seeded(text)))


def _arm(bomb: Bomb) -> None:
    for name in ("write", "transact"):
        _replace(DaprStateStore, name, bomb.around(getattr(DaprStateStore, name), "write"))
    _replace(DaprBridge, "publish", bomb.around(DaprBridge.publish, "publish"))
    bind, record = DaprBridge.bind, Journal.record

    def bound(bridge: DaprBridge, routes: Sequence[Route]) -> None:
        bind(bridge, [replace(route, handle=bomb.handle(route.handle)) for route in routes])

    def recorded(journal: Journal, *given: Any) -> None:
        record(journal, *given)
        bomb.passes("after-handler")

    _replace(DaprBridge, "bind", bound)
    _replace(Journal, "record", recorded)


def _doubtful(method: Method, chance: random.Random, share: float) -> Method:
    @wraps(method)
    async def wrapped(*given: Any) -> Any:
        await method(*given)
        if chance.random() < share:
            raise SidecarUnavailable("a write that succeeded reports a timeout")

    return wrapped


def _late(method: Method, chance: random.Random, most: float) -> Method:
    @wraps(method)
    async def wrapped(*given: Any) -> Any:
        await asyncio.sleep(chance.random() * most)
        return await method(*given)

    return wrapped


def _seeded(text: str) -> tuple[random.Random, float]:
    seed, _, value = text.partition(":")
    return random.Random(seed), float(value)


def _replace(owner: type, name: str, method: Callable[..., Any]) -> None:
    setattr(owner, name, method)
