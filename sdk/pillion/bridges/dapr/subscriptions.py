"""What the sidecar is asked to subscribe, and which deliveries each path takes."""

from __future__ import annotations

import math
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
# What the shipped profiles say, for a sidecar whose profile is not known. Seconds.
SIDECAR_TIMEOUT = 60.0
# A batch is done within this part of the time that the sidecar waits, even if each message waits and takes as long as
# it may: of 60 seconds, 35.
_BATCH_PART = 35 / 60
IGNORED_PATH = "/ignored"
REPLIES_PATH = "/replies"

Decode = Callable[[bytes], wire.Entries]
Answer = Callable[[Sequence[str], Sequence[str]], bytes]


@dataclass(frozen=True, slots=True)
class Shape:
    """How deliveries of a subscription look, and how they are answered.

    Attributes:
        entries: ids and bytes of the messages in the request.
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
        largest_batch: how many messages a delivery has at most. A batch that takes longer than the sidecar waits is
            delivered again and again, and never acknowledged.
    """

    component: str
    topic: str
    path: str
    routes: Sequence[Route]
    shape: Shape
    rule: str | None = None
    dead_letter_topic: str | None = None
    lanes: Sequence[str] = ()
    largest_batch: int = BULK_MESSAGES

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

    def may_go(self, parks: Callable[[Route], bool]) -> bool:
        """Whether its messages may be acknowledged while they are being handled.

        A lost call is a time-out at its caller; what must not be lost has to be in custody.

        Args:
            parks: whether there is a shelf for a route's messages.
        """
        return bool(self.routes) and all(
            not route.durable or route.custody is not None
            if route.kind is Kind.COMMAND
            else route.kind is Kind.SEND and route.custody is not None and parks(route)
            for route in self.routes
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
                "enabled": True, "maxMessagesCount": self.largest_batch, "maxAwaitDurationMs": BULK_AWAIT_MS,
            }  # fmt: skip
        if self.dead_letter_topic not in (None, self.topic):
            declared["deadLetterTopic"] = self.dead_letter_topic
        return declared


def _fitting(route: Route, hold: float, sidecar_timeout: float) -> int:
    """How many messages this handler is done with before the sidecar loses patience, at worst."""
    if not route.timeout or math.isinf(sidecar_timeout):
        return BULK_MESSAGES
    rounds = int(sidecar_timeout * _BATCH_PART / (route.timeout + hold))
    return route.concurrency * max(1, rounds)


def subscriptions(
    routes: Sequence[Route],
    components: Components,
    *,
    bulk_commands: bool,
    hold: Callable[[Route], float],
    sidecar_timeout: Callable[[str], float] = lambda _: SIDECAR_TIMEOUT,
) -> list[Subscribed]:
    """The subscriptions that bring these routes their messages, one for each component and topic.

    Args:
        routes: of the process.
        components: of the sidecar.
        bulk_commands: deliver commands in bulk.
        hold: seconds for which a message of a route waits in hand between its attempts, at most.
        sidecar_timeout: seconds for which the sidecar waits for an answer to what a component brings.
    """
    topics: dict[tuple[str, str], list[Route]] = defaultdict(list)
    for route in routes:
        topics[components.of(route, routes), route.topic].append(route)
    return [
        replace(
            _subscribed(component, topic, of, bulk_commands),
            largest_batch=min(
                BULK_MESSAGES, *(_fitting(route, hold(route), sidecar_timeout(component)) for route in of)
            ),
        )
        for (component, topic), of in topics.items()
    ]


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
    if first.kind is Kind.COMMAND:
        letters = None  # what the sidecar gives up is a time-out to its caller, who may have asked again
    # An empty answer to a single delivery, which daprd can make up, would acknowledge what was not handled.
    if first.kind is Kind.COMMAND and not bulk_commands and not any(route.durable for route in routes):
        return Subscribed(component, topic, path, routes, RAW_SINGLE)
    rule = first.rule if len(routes) == 1 and not first.raw and first.kind is Kind.EVENT else None
    return Subscribed(component, topic, path, routes, RAW_BULK if rule is None else ROUTED_BULK, rule, letters)


def by_path(found: Sequence[Subscribed]) -> Mapping[str, Subscribed]:
    """The subscriptions by the path of their deliveries."""
    return {subscribed.path: subscribed for subscribed in found}
