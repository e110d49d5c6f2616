"""Order by key while messages go back to the broker: what comes behind one of them goes back too, until it has come."""

from __future__ import annotations

from collections.abc import Callable

from pillion.flow import Handle
from pillion.message import Message
from pillion.outcome import Outcome, Retry
from pillion.ports.clock import Clock

# What has not come again by then has gone to another instance, and its key with it. Seconds.
_GONE = 60.0
_BEHIND = "an earlier message of its key went back to the broker"


def in_order(handle: Handle, key: Callable[[Message], str | None] | None, clock: Clock) -> Handle:
    """Handle messages of one key in their order, also when one goes back to the broker: nothing can be stored now.

    Args:
        handle: is called with one message of a key after another.
        key: ordering key of a message; None for messages without order.
        clock: decides when a message is waited for no longer.
    """
    if key is None:
        return handle
    order = _Order(clock)

    async def handle_in_order(message: Message) -> Outcome:
        name = key(message)
        if name is None:
            return await handle(message)
        if order.waits(name, message):
            return Retry(_BEHIND)
        outcome = await handle(message)
        order.note(name, message, outcome)
        return outcome

    return handle_in_order


class _Order:
    """Which message of each key went back first, and when."""

    def __init__(self, clock: Clock) -> None:
        self._now = clock.now
        self._first: dict[str, tuple[str, str, float]] = {}

    def waits(self, key: str, message: Message) -> bool:
        """Whether an earlier message of this key has to come again before this one is handled."""
        first = self._first.get(key)
        if first is None or self._now() - first[2] >= _GONE:
            return False
        return first[:2] != (message.source, message.id)

    def note(self, key: str, message: Message, outcome: Outcome) -> None:
        """A message was handled, or goes back."""
        if isinstance(outcome, Retry):
            now = self._now()
            self._first = {key: first for key, first in self._first.items() if now - first[2] < _GONE}
            self._first[key] = (message.source, message.id, now)
        elif self._first:
            self._first.pop(key, None)
