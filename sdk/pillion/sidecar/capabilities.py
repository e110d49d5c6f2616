"""What each type of Dapr pub/sub component gives, and whether that is what the declarations ask for.

What a state component gives is not here: daprd says it itself, see ``pillion.stores.dapr.state``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pillion.ports.bridge import Route


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a type of pub/sub component gives by itself, as pillion uses it; pillion's own delays and TTL come on top.

    Attributes:
        durable: messages survive a restart of the broker, with the settings of the profile.
        ordered: messages of one key are handled in the order they were published.
        delayed: the broker delivers a message later.
        ttl: the broker drops what is older than a message says.
        dead_letters: the broker itself puts aside what cannot be delivered.
        broadcast: every instance can have each message.
        competing: instances of one app share its messages.
        keeps: messages published before a topic's first subscriber ever started reach it.
        max_bytes: largest message with the broker's defaults; None has no limit.
        profile: the folder below ``components/`` that is tested with it; empty when there is none.
    """

    durable: bool = True
    ordered: bool = False
    delayed: bool = False
    ttl: bool = False
    dead_letters: bool = False
    broadcast: bool = True
    competing: bool = True
    keeps: bool = False
    max_bytes: int | None = None
    profile: str = ""


# What those with a profile do was measured on daprd 1.18.2 (docs/guarantees.md). The others are from their code and
# metadata.yaml in components-contrib 1.18.3, and sizes from their makers' pages on quotas or configuration:
#   redis       proto-max-bulk-len                        https://redis.io/docs/latest/operate/oss_and_stack/management/config
#   rabbitmq    max_message_size, 16 MiB from 4.0 on      https://www.rabbitmq.com/docs/configure
#   jetstream   max_payload                               https://docs.nats.io/running-a-nats-service/configuration
#   kafka       message.max.bytes, producer's 1 MiB       https://kafka.apache.org/documentation/#brokerconfigs
#   mqtt3       remaining length of a packet, 2.2.3       https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/mqtt-v3.1.1.html
#   servicebus  standard tier; premium 100 MB             https://learn.microsoft.com/azure/service-bus-messaging/service-bus-quotas
#   eventhubs   standard tier                             https://learn.microsoft.com/azure/event-hubs/event-hubs-quotas
#   snssqs      of SNS                                    https://docs.aws.amazon.com/general/latest/gr/sns.html
#   gcp         of a publish                              https://cloud.google.com/pubsub/quotas
#   pulsar      maxMessageSize                            https://pulsar.apache.org/docs/next/reference-configuration-broker
# Ordering of the cloud services asks for sessions, FIFO topics or ordering keys, which pillion does not send yet.
CAPABILITIES: Mapping[str, Capabilities] = MappingProxyType({
    # Inside one daprd: nothing to share, nothing that outlives it.
    "pubsub.in-memory": Capabilities(durable=False, ordered=True, competing=False, profile="local"),
    "pubsub.redis": Capabilities(keeps=True, max_bytes=512 * 1024**2, profile="redis"),
    # Dead-letter exchanges are the component's enableDeadLetter; TTL is one of its features.
    "pubsub.rabbitmq": Capabilities(ttl=True, dead_letters=True, max_bytes=16 * 1024**2, profile="rabbitmq"),
    "pubsub.jetstream": Capabilities(keeps=True, max_bytes=1024**2, profile="nats"),
    "pubsub.kafka": Capabilities(ordered=True, keeps=True, max_bytes=1024**2, profile="kafka"),
    # Two sidecars with one client id throw each other out, so an app has one replica.
    "pubsub.mqtt3": Capabilities(competing=False, max_bytes=268_435_455, profile="mqtt"),
    "pubsub.azure.servicebus.topics": Capabilities(delayed=True, ttl=True, dead_letters=True, max_bytes=256 * 1024),
    "pubsub.azure.servicebus.queues": Capabilities(
        delayed=True, ttl=True, dead_letters=True, broadcast=False, keeps=True, max_bytes=256 * 1024
    ),
    # A consumer group per instance would be a broadcast, but there are 20 of them at most.
    "pubsub.azure.eventhubs": Capabilities(broadcast=False, max_bytes=1024**2),
    "pubsub.aws.snssqs": Capabilities(dead_letters=True, max_bytes=256 * 1024),
    "pubsub.gcp.pubsub": Capabilities(dead_letters=True, max_bytes=10_000_000),
    "pubsub.pulsar": Capabilities(delayed=True, max_bytes=5 * 1024**2),
})  # fmt: skip


def capabilities(component_type: str) -> Capabilities | None:
    """What a type of pub/sub component gives; None when it is not known."""
    return CAPABILITIES.get(component_type)


def missing(asked: Iterable[tuple[str, Route]], types: Mapping[str, str]) -> list[str]:
    """What routes ask of their component that it does not give, a sentence each. Unknown types are taken to give all.

    Args:
        asked: each route with the name of the component that brings its messages.
        types: type of each component by name.
    """
    return [
        f"{route.address}: {wish.asks} asks for {wish.what}, which component {name} ({types[name]}) does not give; "
        f"{', '.join(_with(wish))} do: use such a profile, or leave out {wish.asks}"
        for name, route in asked
        if (given := capabilities(types.get(name, ""))) is not None
        for wish in _WISHES
        if wish.wanted(route) and not wish.given(given)
    ]


@dataclass(frozen=True, slots=True)
class _Wish:
    """Something a declaration can ask for.

    Attributes:
        asks: how a declaration says so.
        what: the thing, in words.
        wanted: whether a route asks for it.
        given: whether a component gives it.
    """

    asks: str
    what: str
    wanted: Callable[[Route], bool]
    given: Callable[[Capabilities], bool]


_WISHES = (
    _Wish("key=", "order by key", lambda route: route.ordered, lambda has: has.ordered),
    _Wish("broadcast=True", "each message at every instance", lambda route: route.broadcast, lambda has: has.broadcast),
)


def _with(wish: _Wish) -> Iterator[str]:
    for name, given in CAPABILITIES.items():
        if wish.given(given):
            yield f"{name} (profile {given.profile})" if given.profile else name
