"""What is put around a bridge, and leaves to it whatever it does not change."""

from __future__ import annotations

from pillion.ports.bridge import Bridge


class BridgeAround:
    """The part of another bridge that stays as it is; who derives from it publishes and requests.

    Args:
        bridge: the one that moves the messages.
    """

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self.bind = bridge.bind
        self.start = bridge.start
        self.open = bridge.open
        self.drain = bridge.drain
        self.close = bridge.close
        self.problems = bridge.problems

    @property
    def longest_hold(self) -> float:
        """That of the other bridge."""
        return self._bridge.longest_hold

    @property
    def alone(self) -> bool:
        """That of the other bridge."""
        return self._bridge.alone

    @property
    def forgets_calls(self) -> bool:
        """That of the other bridge."""
        return self._bridge.forgets_calls
