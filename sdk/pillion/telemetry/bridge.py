"""A bridge with spans around what leaves through it."""

from __future__ import annotations

from collections.abc import Sequence

from pillion.message import Message
from pillion.ports.around import BridgeAround
from pillion.ports.bridge import Bridge, Outgoing
from pillion.telemetry.traces import MessageTracer


class TracedBridge(BridgeAround):
    """Another bridge, each publish and each request inside a span that travels with the message.

    Args:
        bridge: the one that moves the messages.
        tracer: of the host.
    """

    def __init__(self, bridge: Bridge, tracer: MessageTracer) -> None:
        super().__init__(bridge)
        self._tracer = tracer

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        """Hand messages over, each in a producer span; see ``Bridge.publish``."""
        with self._tracer.publishing(messages) as stamped:
            await self._bridge.publish(stamped)

    async def request(self, topic: str, message: Message) -> Message:
        """Send a command and wait for its reply, in a client span; see ``Bridge.request``."""
        with self._tracer.calling(message) as (stamped, span):
            reply = await self._bridge.request(topic, stamped)
            self._tracer.answered(span, reply)
            return reply
