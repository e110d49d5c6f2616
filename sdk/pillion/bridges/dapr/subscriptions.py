"""What the sidecar is asked to subscribe, and which deliveries each path takes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from pillion.bridges.dapr import wire
from pillion.bridges.dapr.components import Components
from pillion.ports.bridge import Kind, Route

# Bulk deliveries: at most so many messages, waiting at most so long for the first ones' company.
BULK_MESSAGES = 100
BULK_AWAIT_MS = 1
# A batch is done within this time even if each message takes as long as it may; the profiles' sidecars wait 60.
_BATCH_SECONDS = 35.0
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
        lanes: components that bring the topic's messages to the same path; empty when that one alone does.
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
    lanes: Sequence[str] = ()

    @property
    def components(self) -> Sequence[str]:
        """All that bring its messages."""
        return self.lanes or (self.component,)

    @property
    def broadcast(self) -> bool:
        """Whether every instance gets each message."""
        return any(route.broadcast for route in self.routes)

    @property
    def bulk(self) -> bool:
        """Whether its messages come in batches, one at a time."""
        return self.shape is not RAW_SINGLE

    @property
    def calls(self) -> bool:
        """Whether its messages are calls: a lost one ends as a time-out at its caller, or is in custody."""
        routes = self.routes
        return bool(routes) and all(
            route.kind is Kind.COMMAND and (not route.durable or route.custody is not None) for route in routes
        )

    def declarations(self) -> list[dict[str, Any]]:
        """The entries for ``/dapr/subscribe``, one for each component.

        Source: https://docs.dapr.io/reference/api/pubsub_api/#provide-routes-for-dapr-to-deliver-topic-events
        """
        return [{"pubsubname": component, **self._declaration()} for component in self.components]

    def _declaration(self) -> dict[str, Any]:
        declared: dict[str, Any] = {"topic": self.topic}
        if self.rule is None:
            declared |= {"route": self.path, "metadata": {"rawPayload": "true"}}
        else:
            # Without a default, Dapr posts what no rule matches to "/", and to the dead letters as well.
            rules = [{"match": self.rule, "path": self.path}]
            declared["routes"] = {"rules": rules, "default": IGNORED_PATH}
        if self.bulk:
            declared["bulkSubscribe"] = {
                "enabled": True, "maxMessagesCount": self._largest_batch(), "maxAwaitDurationMs": BULK_AWAIT_MS,
            }  # fmt: skip
        if self.dead_letter_topic not in (None, self.topic):
            declared["deadLetterTopic"] = self.dead_letter_topic
        return declared

    def _largest_batch(self) -> int:
        """A batch that takes longer than the sidecar waits is delivered again and again, and never acknowledged."""
        return max(1, min([BULK_MESSAGES, *(_fitting(route) for route in self.routes)]))


def _fitting(route: Route) -> int:
    """How many messages this handler is done with before the sidecar loses patience, at worst."""
    return BULK_MESSAGES if not route.timeout else int(route.concurrency * _BATCH_SECONDS / route.timeout)


def subscriptions(routes: Sequence[Route], components: Components, *, bulk_commands: bool) -> list[Subscribed]:
    """The subscriptions that bring these routes their messages, one for each component and topic."""
    topics: dict[tuple[str, str], list[Route]] = defaultdict(list)
    for route in routes:
        topics[components.of(route, routes), route.topic].append(route)
    return [_subscribed(component, topic, of, bulk_commands) for (component, topic), of in topics.items()]


def replies(component: str, topic: str, *, bulk: bool) -> Subscribed:
    """The subscription to this instance's replies."""
    return Subscribed(component, topic, REPLIES_PATH, (), RAW_BULK if bulk else RAW_SINGLE)


def on_lanes(found: Sequence[Subscribed], components: Components) -> list[Subscribed]:
    """All subscriptions of the process, with the components that bring each its messages."""
    topics: dict[str, list[str]] = defaultdict(list)
    for one in found:
        topics[one.component].append(one.topic)
    bringing = {component: components.bringing(component, of) for component, of in topics.items()}
    return [replace(one, lanes=bringing[one.component][one.topic]) for one in found]


def _subscribed(component: str, topic: str, routes: Sequence[Route], bulk_commands: bool) -> Subscribed:
    first = routes[0]
    path = f"/{first.kind.value}s/{quote(component, safe='')}/{quote(topic, safe='')}"
    letters = next((route.dead_letter_topic for route in routes if route.dead_letter_topic), None)
    # An empty answer to a single delivery, which daprd can make up, would acknowledge what was not handled.
    if first.kind is Kind.COMMAND and not bulk_commands and not any(route.durable for route in routes):
        return Subscribed(component, topic, path, routes, RAW_SINGLE, None, letters)
    rule = first.rule if len(routes) == 1 and not first.raw and first.kind is Kind.EVENT else None
    return Subscribed(component, topic, path, routes, RAW_BULK if rule is None else ROUTED_BULK, rule, letters)


def by_path(found: Sequence[Subscribed]) -> Mapping[str, Subscribed]:
    """The subscriptions by the path of their deliveries."""
    return {subscribed.path: subscribed for subscribed in found}
