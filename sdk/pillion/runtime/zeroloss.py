"""Whether the settings of a profile lose messages, whatever the code does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import combinations

from pillion.runtime.inbound import Inbound
from pillion.runtime.loss import Loss
from pillion.runtime.resources import Resource
from pillion.runtime.rules import BROADCASTS, CALLS, EVENTS, LIMITS, RULES
from pillion.sidecar.capabilities import capabilities

# What names the consumer group; the app id does when it is not set.
_GROUP = {
    "pubsub.redis": "consumerID",
    "pubsub.rabbitmq": "consumerID",
    "pubsub.jetstream": "durableName",
    "pubsub.kafka": "consumerID",
    "pubsub.mqtt3": "consumerID",
}
_CARRIES = {"replies": CALLS, "commands": CALLS, "broadcast": BROADCASTS}

_NOT_KEPT = (
    "what is published to a topic before its first subscriber has ever started is thrown away; start each consumer "
    "once before what it is to hear is published"
)


def losses(resources: Sequence[Resource]) -> Iterator[Loss]:
    """What loses messages in these resources, all of which one sidecar loads; see ``pillion.runtime.rules``."""
    inbound = Inbound(resources)
    components = _pubsub(resources)
    for component in components:
        found = (rule.check(component) for rule in RULES.get(component.type, ()) if _carries(component) in rule.on)
        yield from filter(None, found)
        yield from inbound.losses(component)
    yield from _shared_groups(components)
    yield from (_passed_over(found) for found in resources if found.kind == "Resiliency" and not found.first)
    yield from inbound.misread()


def limits(resources: Sequence[Resource]) -> list[str]:
    """What the types of the pub/sub components lose whatever their settings, a sentence each."""
    types = dict.fromkeys(component.type for component in _pubsub(resources))
    given = {type_: capabilities(type_) for type_ in types}
    forgetful = [type_ for type_, has in given.items() if has is not None and has.durable and not has.keeps]
    return [f"{type_}: {LIMITS[type_]}" for type_ in types if type_ in LIMITS] + [
        f"{type_}: {_NOT_KEPT}" for type_ in forgetful
    ]


def unjudged(resources: Sequence[Resource]) -> Iterator[str]:
    """The components with settings that may lose messages and come from a secret or a variable, a sentence each."""
    for component in _pubsub(resources):
        rules = RULES.get(component.type, ())
        settings = [
            rule.setting for rule in rules if _carries(component) in rule.on and component.is_hidden(rule.setting)
        ]
        if settings:
            yield (
                f"{component.file}: {component.name}: not judged: {', '.join(settings)}: the value comes from a secret "
                "or a variable; written as it is it would be checked"
            )


def shared(resources: Sequence[Resource]) -> Iterator[str]:
    """The components that give every app that loads them one consumer group, a sentence each."""
    for component in _pubsub(resources):
        setting, group = _group(component) if component.type in _GROUP else ("", "")
        if group and "{" not in group and len(component.scopes) != 1 and _carries(component) == EVENTS:
            yield (
                f"{component.file}: {component.name}: {setting} is {group} for each app that loads it: apps of one "
                "group share the events, so that each reaches only one of them; "
                'have "{appID}" in it, or one app in scopes'
            )


def _pubsub(resources: Sequence[Resource]) -> list[Resource]:
    return [resource for resource in resources if resource.type.startswith("pubsub.")]


def _carries(component: Resource) -> str:
    return _CARRIES.get(_base(component), EVENTS)


def _base(component: Resource) -> str:
    """The name of the component whose topics it brings."""
    return re.sub(r"-lane-\d+$", "", component.name)


def _shared_groups(components: Sequence[Resource]) -> Iterator[Loss]:
    grouped = [component for component in components if component.type in _GROUP]
    for first, second in combinations(grouped, 2):
        setting, group = _group(second)
        same = first.type == second.type and (_group(first)[1] or "{appID}") == (group or "{appID}")
        if same and (loses := _conflict(first, second)):
            yield Loss(second.file, second.name, setting, group, "a name of its own", loses)


def _group(component: Resource) -> tuple[str, str]:
    """What names a component's consumer group, and the name; empty for the app id."""
    setting = _GROUP[component.type]
    if component.type == "pubsub.kafka" and (group := component.value("consumerGroup")):
        return "consumerGroup", group  # daprd looks at the consumerID only where this is not there
    return setting, component.value(setting)


def _passed_over(resiliency: Resource) -> Loss:
    place = "not the first document of its file"
    loses = "daprd passes over it, and none of its policies holds"
    return Loss(resiliency.file, resiliency.name, "Resiliency", place, "it in a file of its own", loses)


def _conflict(first: Resource, second: Resource) -> str:
    """What happens when these two have one consumer group."""
    if first.type == "pubsub.mqtt3":
        return f"two clients of one id, this and {first.name}, throw each other out for ever"
    if {_base(first), _base(second)} == {"pubsub", "slow"}:
        return f"it shares the events with {first.name} instead of having each of them too"
    return ""
