"""What the settings of pub/sub components must be so that no message is lost. Each was found by killing things."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pillion.bridges.dapr.subscriptions import BULK_MESSAGES
from pillion.runtime.loss import Loss
from pillion.runtime.resources import Resource

Holds = Callable[[str], bool]

# What a component carries. A call that is lost ends as a time-out at its caller, who has to expect that anyway, and a
# broadcast is only for those that are there; so their components may be weaker.
EVENTS, CALLS, BROADCASTS = "events", "calls", "broadcasts"
_ALL = frozenset({EVENTS, CALLS, BROADCASTS})
_ONLY_EVENTS = frozenset({EVENTS})
# A bound below this throws away unread messages in any outage.
_LEAST_LENGTH = 10_000


@dataclass(frozen=True)
class Rule:
    """What a setting must be.

    Attributes:
        setting: its name.
        holds: whether a value, empty when the setting is not there, loses nothing.
        write: what to write; empty to remove the setting.
        loses: what happens otherwise.
        on: what a component carries, for the rule to apply.
    """

    setting: str
    holds: Holds
    write: str
    loses: str
    on: frozenset[str] = _ALL

    def check(self, component: Resource) -> Loss | None:
        """What a component loses by this setting. Nothing is known of values from secrets and variables."""
        value = component.value(self.setting).strip()
        if component.is_hidden(self.setting) or self.holds(value):
            return None
        return Loss(component.file, component.name, self.setting, value, self.write, self.loses)


def _number(value: str) -> int:
    return int(value) if value.isascii() and value.isdigit() else 0


def _positive(value: str) -> bool:
    return _number(value) > 0


def _duration(value: str) -> bool:
    """Plain milliseconds or ``1m30s``, and not 0."""
    return re.fullmatch(r"\d+|([\d.]+(ms|s|m|h))+", value) is not None and any(digit in value for digit in "123456789")


def _true(value: str) -> bool:
    return value.lower() in {"y", "yes", "true", "t", "on", "1"}  # what daprd takes for true


def _false(value: str) -> bool:
    return bool(value) and not _true(value)


def _not_true(value: str) -> bool:
    return not _true(value)


def _absent(value: str) -> bool:
    return not value


def _unless_absent(holds: Holds) -> Holds:
    return lambda value: not value or holds(value)


def _one_of(*values: str) -> Holds:
    return lambda value: value.lower() in values


def _long(value: str) -> bool:
    return not value or _number(value) >= _LEAST_LENGTH


def _differs(value: str) -> bool:
    return "{uuid}" in value or "{podName}" in value


def _stays(value: str) -> bool:
    return not _differs(value)


_UNREAD = "the oldest messages are thrown away, and in an outage that is those which nobody has read"
_EARLY = "messages are acknowledged before they are handled"
_EARLIER = "what was published before the first start is passed over"
_UNCONFIRMED = "a publish counts as done before the broker has the message safe"
_BROKER = "what waits is gone when the broker restarts"

_NEW_GROUP = "each start of the sidecar makes a new group, and what the former one had not finished is lost"
_ONE_GROUP = "all instances are one group, so each event reaches only one of them"

_GROUPS = (
    Rule("consumerID", _stays, '"{appID}" or another name that stays', _NEW_GROUP, _ONLY_EVENTS),
    Rule("consumerID", _differs, '"broadcast-{uuid}"', _ONE_GROUP, frozenset({BROADCASTS})),
)

_REDIS = (
    Rule(
        "redeliverInterval",
        _unless_absent(_positive),
        '"1000", plain milliseconds',
        "all but a plain number is ignored, and 0 is off: what a killed sidecar had in hand comes late or never",
    ),
    Rule(
        "processingTimeout",
        _duration,
        '"15000", milliseconds',
        "what a killed sidecar had in hand is taken over after a minute, and with 0 never",
    ),
    Rule(
        "concurrency",
        lambda value: _number(value) >= BULK_MESSAGES,
        f'"{3 * BULK_MESSAGES}"',
        f"a batch holds a worker for each of its {BULK_MESSAGES} messages: a topic whose app is down stops the others",
        frozenset({EVENTS, BROADCASTS}),
    ),
    Rule("maxLenApprox", _long, "a number above the largest backlog", _UNREAD),
    Rule("streamTTL", _absent, "", _UNREAD, _ONLY_EVENTS),
    *_GROUPS,
)

_RABBITMQ = (
    Rule("durable", _unless_absent(_true), '"true"', _BROKER),
    Rule(
        "deletedWhenUnused",
        _false,
        '"false"',
        "a queue is deleted with all that waits in it when its last consumer goes",
    ),
    Rule("deliveryMode", _one_of("2"), '"2"', _BROKER, _ONLY_EVENTS),
    Rule("publisherConfirm", _true, '"true"', _UNCONFIRMED, _ONLY_EVENTS),
    Rule("requeueInFailure", _true, '"true"', "the broker throws away what a stopping sidecar hands back"),
    Rule("autoAck", _not_true, '"false"', _EARLY),
    Rule(
        "prefetchCount",
        _positive,
        '"200"',
        "the sidecar takes the whole queue into memory, and all of it comes again when it is killed",
    ),
    Rule(
        "reconnectWaitSeconds",
        _unless_absent(lambda value: _number(value) >= 3),
        '"3" or more',
        "pillion cannot tell that the connection broke before the broker had confirmed a publish",
        _ONLY_EVENTS,
    ),
    Rule("maxLen", _long, "a number above the largest backlog", _UNREAD),
    Rule("maxLenBytes", _absent, "", _UNREAD, _ONLY_EVENTS),
    Rule("ttlInSeconds", _absent, "", _UNREAD, _ONLY_EVENTS),
    *_GROUPS,
)

_JETSTREAM = (
    Rule("concurrency", _one_of("", "single"), "single", _EARLY, _ONLY_EVENTS),
    Rule("ackPolicy", _one_of("", "explicit"), "explicit", _EARLY, _ONLY_EVENTS),
    Rule(
        "durableName",
        lambda value: bool(value) and _stays(value),
        "a name that stays, such as {appID}",
        "nobody knows what was handled when the sidecar ends",
        _ONLY_EVENTS,
    ),
    # NATS gives a consumer to one of them, and refuses the others.
    Rule("durableName", _unless_absent(_differs), "broadcast-{uuid}", _ONE_GROUP, frozenset({BROADCASTS})),
    Rule("queueGroupName", bool, "a name of this app", "a second instance gets no messages", _ONLY_EVENTS),
    Rule("deliverPolicy", _one_of("", "all"), "all", _EARLIER, _ONLY_EVENTS),
    Rule("memoryStorage", _not_true, '"false"', _BROKER, _ONLY_EVENTS),
    Rule(
        "maxDeliver",
        _one_of("", "0", "-1"),
        "",
        "what was in hand so often when sidecars ended, or took too long, does not come again",
        _ONLY_EVENTS,
    ),
)

_KAFKA = (
    Rule("initialOffset", _one_of("oldest"), "oldest", _EARLIER, _ONLY_EVENTS),
    Rule("consumeRetryEnabled", _unless_absent(_true), '"true"', "a delivery that fails is passed over"),
    Rule("producerRequiredAcks", _one_of("", "all"), "all", _UNCONFIRMED, _ONLY_EVENTS),
    Rule("escapeHeaders", _true, '"true"', "a message with a line break in a header holds up its partition for ever"),
    # Where it is there, consumerID says nothing.
    Rule("consumerGroup", _stays, "", _NEW_GROUP, _ONLY_EVENTS),
    Rule("consumerGroup", _unless_absent(_differs), "", _ONE_GROUP, frozenset({BROADCASTS})),
    *_GROUPS,
)

_MQTT = (
    Rule("qos", _one_of("", "1", "2"), '"1"', "what a connection loses, or comes while the app is away, is gone"),
    Rule(
        "cleanSession",
        _not_true,
        '"false"',
        "the broker throws away what comes while the sidecar is away, and what it had in hand",
        _ONLY_EVENTS,
    ),
    *_GROUPS,
)

RULES: Mapping[str, Sequence[Rule]] = {
    "pubsub.redis": _REDIS,
    "pubsub.rabbitmq": _RABBITMQ,
    "pubsub.jetstream": _JETSTREAM,
    "pubsub.kafka": _KAFKA,
    "pubsub.mqtt3": _MQTT,
}

# What a type loses whatever its settings.
LIMITS: Mapping[str, str] = {
    "pubsub.in-memory": "what is in flight is lost when the sidecar ends, and no other sidecar gets any of it",
    "pubsub.rabbitmq": "what a broker refuses to store (overflow reject-publish) counts as accepted, and so does what "
    "others than pillion publish while it is killed, for the component does not miss a confirmation that never comes",
    "pubsub.mqtt3": "an app can have one replica only, for two sidecars with one client id throw each other out",
}
