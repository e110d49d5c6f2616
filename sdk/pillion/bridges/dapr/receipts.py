"""Whether the broker has what the sidecar calls accepted, for components that miss no receipt that never comes.

RabbitMQ's component waits for the broker's receipt, but says accepted as well when the connection breaks before that
comes. It connects again only three seconds later, and publishes one after another on one connection. So when a second
publish is accepted, and less than that after the first was begun, the connection was never broken, and the receipt was
there. Many may share the second one: nobody hears it, so the broker has nothing to do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import AbstractAsyncContextManager, nullcontext
from urllib.parse import quote

from pillion.bridges.dapr.wire import RAW_PUBLISH
from pillion.errors import SidecarError
from pillion.sidecar.channel import SidecarChannel

TOPIC = "pillion.receipts"
# Less than `reconnectWaitSeconds` of the component.
_SURE_SECONDS = 2.5
# The component publishes one message after another, so more at once only makes each take longer, and look broken.
_REQUESTS_AT_ONCE = 4
_JSON = {"content-type": "application/json"}


class Receipts:
    """Makes sure of publishes.

    Args:
        channel: to the sidecar.
        doubtful: components whose word is not enough.
    """

    def __init__(self, channel: SidecarChannel, doubtful: Collection[str] = ()) -> None:
        self._connections = {component: _Connection(channel, component) for component in doubtful}

    def turn(self, component: str) -> AbstractAsyncContextManager[object]:
        """To be held during a publish."""
        connection = self._connections.get(component)
        return nullcontext() if connection is None else connection.turn

    async def came(self, component: str, begun: float) -> bool:
        """Whether the broker has all that was accepted until now.

        Args:
            component: what it was published through.
            begun: time of the event loop at which the first of these publishes was begun.
        """
        connection = self._connections.get(component)
        if connection is None:
            return True
        return await connection.works() and asyncio.get_running_loop().time() - begun < _SURE_SECONDS


class _Connection:
    """One publish is in flight at most, and one more will follow when somebody waits for it."""

    def __init__(self, channel: SidecarChannel, component: str) -> None:
        self.turn = asyncio.Semaphore(_REQUESTS_AT_ONCE)
        self._channel = channel
        self._path = f"/v1.0/publish/{quote(component, safe='')}/{TOPIC}"
        self._flying: asyncio.Task[bool] | None = None
        self._next: asyncio.Task[bool] | None = None

    async def works(self) -> bool:
        """Whether a publish that begins after now is accepted."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_task(self._publish(self._flying))
        # Others want to know as well.
        return await asyncio.shield(self._next)

    async def _publish(self, before: asyncio.Task[bool] | None) -> bool:
        if before is not None:
            await asyncio.wait([before])
        self._flying, self._next = self._next, None
        try:
            answer = await self._channel.request("POST", self._path, body=b"{}", headers=_JSON, params=RAW_PUBLISH)
        except SidecarError:
            return False
        return answer.ok
