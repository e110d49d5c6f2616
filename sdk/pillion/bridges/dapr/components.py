"""Which of the sidecar's pub/sub components carry what. Profiles name them alike, and some have more than others."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from pillion.ports.bridge import Kind, Route

PUBSUB, REPLIES = "pubsub", "replies"
# Types whose subscriptions must not share a connection: after the broker was away they all begin again at once, take
# each other's answers, and leave behind consumers that get messages and never acknowledge any.
APART = frozenset({"pubsub.rabbitmq"})
_LANE = re.compile(r"(.+)-lane-[0-9]+")


class Components:
    """The components that are loaded; decides once, at start.

    A component that delivers one message after another (JetStream) has *lanes*: components named ``pubsub-lane-2``,
    ``pubsub-lane-3``, … in the same consumer group. Each of them brings one message at a time. One whose subscriptions
    must not share a connection (RabbitMQ) has lanes too: each brings a topic of its own, and the component only sends.

    Args:
        loaded: names of all components of the sidecar.
        serial: those of them that deliver one batch at a time, whatever topic it is of (Kafka).
        apart: those of them whose subscriptions must not share a connection.
    """

    def __init__(self, loaded: Iterable[str] = (), serial: Collection[str] = (), apart: Collection[str] = ()) -> None:
        self._loaded = sorted(loaded)
        self._serial = serial
        self._apart = apart

    @property
    def replies(self) -> str:
        """What carries replies."""
        return REPLIES if REPLIES in self._loaded else PUBSUB

    def serial(self, component: str) -> bool:
        """Whether it delivers the next message only when the one before is answered."""
        return component in self._serial

    def lanes(self, component: str) -> tuple[str, ...]:
        """Those that bring the same messages as this one, beside it."""
        return tuple(name for name in self._loaded if (lane := _LANE.fullmatch(name)) and lane[1] == component)

    def bringing(self, component: str, topics: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
        """Which components bring the messages of each of these topics; they are all that this one is to bring."""
        lanes = self.lanes(component)
        if component not in self._apart:
            return dict.fromkeys(topics, (component, *lanes))
        ways = lanes or (component,)
        return {topic: (ways[index % len(ways)],) for index, topic in enumerate(sorted(topics))}

    def of(self, route: Route, routes: Sequence[Route]) -> str:
        """What brings a route its messages, given all routes of the process.

        Broadcasts, and slow handlers that would hold up others, need a consumer group of their own. Calls may
        have a component that is fast and forgets: a lost one ends as a time-out at its caller.
        """
        beside = [other for other in routes if other.topic == route.topic and other is not route]
        if route.component != PUBSUB:
            return route.component
        if route.broadcast:
            return "broadcast"
        if route.slow and (PUBSUB in self._serial or any(not one.slow and not one.broadcast for one in beside)):
            return "slow"
        calls = route.kind is Kind.COMMAND and not any(one.durable for one in (route, *beside))
        return "commands" if calls and "commands" in self._loaded else PUBSUB
