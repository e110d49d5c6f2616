"""What the sidecar is asked to subscribe, and which deliveries each path takes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from pillion.bridges.dapr import wire
from pillion.ports.bridge import Kind, Route

# Bulk deliveries: at most so many messages, waiting at most so long for the first ones' company.
BULK_MESSAGES = 100
BULK_AWAIT_MS = 1
IGNORED_PATH = "/ignored"
REPLIES_PATH = "/replies"

Decode = Callable[[bytes], list[tuple[str, bytes]]]
Answer = Callable[[Sequence[str], Sequence[str]], bytes]


@dataclass(frozen=True, slots=True)
class Shape:
    """How deliveries of a subscription look, and how they are answered.

    Attributes:
        entries: id and bytes of each message in the request.
        answer: the response for these ids and statuses.
    """

    entries: Decode
    answer: Answer


RAW_BULK = Shape(wire.raw_entries, wire.bulk_answer)
ROUTED_BULK = Shape(wire.routed_entries, wire.bulk_answer)
RAW_SINGLE = Shape(wire.single_entry, wire.single_answer)


@dataclass(frozen=True, slots=True)
class Subscribed:
    """One subscription of this process.

    Attributes:
        component, topic: what the sidecar listens to.
        path: where it delivers.
        routes: who handles its messages; empty for replies.
        shape: of its deliveries.
        rule: Dapr's routing rule; None takes everything.
        dead_letter_topic: where the sidecar puts what it cannot deliver.
    """

    component: str
    topic: str
    path: str
    routes: Sequence[Route]
    shape: Shape
    rule: str | None = None
    dead_letter_topic: str | None = None

    @property
    def broadcast(self) -> bool:
        """Whether every instance gets each message."""
        return any(route.broadcast for route in self.routes)

    def declaration(self) -> dict[str, Any]:
        """The entry for ``/dapr/subscribe``.

        Source: https://docs.dapr.io/reference/api/pubsub_api/#provide-routes-for-dapr-to-deliver-topic-events
        """
        declared: dict[str, Any] = {"pubsubname": self.component, "topic": self.topic}
        if self.rule is None:
            declared |= {"route": self.path, "metadata": {"rawPayload": "true"}}
        else:
            # Without a default, Dapr posts what no rule matches to "/", and to the dead letters as well.
            rules = [{"match": self.rule, "path": self.path}]
            declared["routes"] = {"rules": rules, "default": IGNORED_PATH}
        if self.shape is not RAW_SINGLE:
            declared["bulkSubscribe"] = {
                "enabled": True, "maxMessagesCount": BULK_MESSAGES, "maxAwaitDurationMs": BULK_AWAIT_MS,
            }  # fmt: skip
        if self.dead_letter_topic is not None:
            declared["deadLetterTopic"] = self.dead_letter_topic
        return declared


def subscriptions(routes: Sequence[Route], *, bulk_commands: bool) -> list[Subscribed]:
    """The subscriptions that bring these routes their messages, one for each component and topic."""
    topics: dict[tuple[str, str], list[Route]] = defaultdict(list)
    for route in routes:
        topics[_component(route, routes), route.topic].append(route)
    return [_subscribed(component, topic, found, bulk_commands) for (component, topic), found in topics.items()]


def replies(component: str, topic: str, *, bulk: bool) -> Subscribed:
    """The subscription to this instance's replies."""
    return Subscribed(component, topic, REPLIES_PATH, (), RAW_BULK if bulk else RAW_SINGLE)


def _component(route: Route, routes: Sequence[Route]) -> str:
    """Broadcasts, and slow handlers that share their topic with others, need a consumer group of their own."""
    if route.component != "pubsub":
        return route.component
    if route.broadcast:
        return "broadcast"
    shared = any(other.topic == route.topic and not other.slow and not other.broadcast for other in routes)
    return "slow" if route.slow and shared else route.component


def _subscribed(component: str, topic: str, routes: Sequence[Route], bulk_commands: bool) -> Subscribed:
    first = routes[0]
    path = f"/{first.kind.value}s/{quote(component, safe='')}/{quote(topic, safe='')}"
    letters = next((route.dead_letter_topic for route in routes if route.dead_letter_topic), None)
    if first.kind is Kind.COMMAND and not bulk_commands:
        return Subscribed(component, topic, path, routes, RAW_SINGLE, None, letters)
    rule = first.rule if len(routes) == 1 and not first.raw and first.kind is Kind.EVENT else None
    return Subscribed(component, topic, path, routes, RAW_BULK if rule is None else ROUTED_BULK, rule, letters)


def by_path(found: Sequence[Subscribed]) -> Mapping[str, Subscribed]:
    """The subscriptions by the path of their deliveries."""
    return {subscribed.path: subscribed for subscribed in found}
