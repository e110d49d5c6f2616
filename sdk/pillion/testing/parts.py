"""What a harness is put together from: bridge, stores, and what was seen on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from pillion.bridges.memory.bridge import MemoryBridge
from pillion.bridges.memory.broker import MemoryBroker
from pillion.errors import Failure
from pillion.message import Message
from pillion.ports.bridge import Outgoing
from pillion.ports.clock import Clock
from pillion.ports.store import StateStore
from pillion.runtime.stores import Stores
from pillion.stores.environment import EnvironmentSecretStore
from pillion.stores.memory import MemoryConfigurationStore, MemoryStateStore
from pillion.testing.clock import FakeClock
from pillion.testing.doubles import Unanswered

Watch: TypeAlias = Callable[[str, Message], None]


class Parts:
    """What a harness is put together from.

    Attributes:
        clock: a fake one that tells the time, or None.
        broker: what the memory bridge goes over.
        bridge: itself.

    Args:
        clock: tells the time.
        unanswered: knows the commands that nothing answers.
        capture: keep every message.
        states: state stores by component name; others are made.
    """

    def __init__(
        self, clock: Clock | None, unanswered: Unanswered, *, capture: bool, states: Mapping[str, StateStore]
    ) -> None:
        self.clock = clock if isinstance(clock, FakeClock) else None
        self._clock = clock
        self._messages: list[tuple[str, Message]] | None = [] if capture else None
        self._unanswered = unanswered
        self._states: dict[str, StateStore] = dict(states)
        self.broker = MemoryBroker()
        self.bridge = HarnessBridge(self.broker, unanswered, clock, self._watch)

    @property
    def _watch(self) -> Watch | None:
        """Keeps a message; None when nothing is captured."""
        messages = self._messages
        return None if messages is None else lambda topic, message: messages.append((topic, message))

    def captured(self) -> list[tuple[str, Message]]:
        """What was kept, with the topics."""
        if self._messages is None:
            raise RuntimeError("no messages were captured; give the host capture=True")
        return self._messages

    def state(self, component: str) -> StateStore:
        """The state store of this name."""
        return self._states.setdefault(component, MemoryStateStore(self._clock))

    def stores(self, secrets: Mapping[str, str], configuration: Mapping[str, str] | None) -> Stores:
        """The state stores, and a secret and a configuration store with this content."""
        return Stores(
            self.state,
            lambda: EnvironmentSecretStore(environ=secrets),
            lambda: MemoryConfigurationStore(configuration),
        )

    def blame(self, failure: Failure | None) -> None:
        """Raise the first call that nothing answered, if there was one; each is raised once."""
        found = self._unanswered.found
        if found:
            missing, found[:] = found[0], []
            raise missing from failure


class HarnessBridge(MemoryBridge):
    """The memory bridge, but a command that nothing answers fails at once instead of waiting for its service."""

    def __init__(self, broker: MemoryBroker, unanswered: Unanswered, clock: Clock | None, watch: Watch | None) -> None:
        super().__init__(broker, clock=clock, watch=watch)
        self._unanswered = unanswered

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        """See ``Bridge.publish``."""
        for topic, message, *_ in messages:
            if topic.endswith(".sends"):
                self._unanswered.check(message.type)
        await super().publish(messages)

    async def request(self, topic: str, message: Message) -> Message:
        """See ``Bridge.request``."""
        self._unanswered.check(message.type)
        return await super().request(topic, message)
