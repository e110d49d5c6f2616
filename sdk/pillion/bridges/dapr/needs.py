"""What an app cannot do without, and what of it its sidecar does not have: components, subscriptions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pillion.bridges.dapr.components import PUBSUB
from pillion.bridges.dapr.subscriptions import Subscribed
from pillion.sidecar.health import SidecarMetadata

# So many are named of those that need a component.
_NAMED = 3
_WORDS = {"pubsub": "pub/sub", "state": "state"}

# A component, and what needs it.
Need: TypeAlias = tuple[str, str]
_ByComponent: TypeAlias = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Uses:
    """What an app uses of its sidecar, apart from what comes to it.

    Attributes:
        emits: the pub/sub component of each event that it publishes.
        state: the state components that it must have.
        spare: the state components that it uses if they are there when it starts.
    """

    emits: Sequence[Need] = ()
    state: Sequence[Need] = ()
    spare: Sequence[Need] = ()


class Needs:
    """Knows what must be there; decides once, at start.

    Args:
        uses: what the app uses.
        subscribed: what comes to it.
        loaded: what the sidecar has loaded when the app starts.
    """

    def __init__(self, uses: Uses, subscribed: Sequence[Subscribed], loaded: SidecarMetadata) -> None:
        self._subscribed = subscribed
        self._pubsub = _by_component([(PUBSUB, ""), *_coming(subscribed), *uses.emits])
        spare = [need for need in uses.spare if loaded.component(need[0]) is not None]
        self._state = _by_component([*uses.state, *spare])

    def absent_pubsub(self, loaded: SidecarMetadata) -> list[str]:
        """The pub/sub components that are needed and not loaded, a sentence each."""
        return _absent(self._pubsub, "pubsub", loaded)

    def absent(self, loaded: SidecarMetadata) -> list[str]:
        """The components that are needed and not loaded, and subscriptions that the others lack, a sentence each."""
        components = [*self.absent_pubsub(loaded), *_absent(self._state, "state", loaded)]
        return [*components, *self._unsubscribed(loaded)]

    def _unsubscribed(self, loaded: SidecarMetadata) -> Iterable[str]:
        active = {(found.pubsub, found.topic) for found in loaded.subscriptions}
        for one in self._subscribed:
            for name in one.components:
                if (name, one.topic) not in active and loaded.component(name) is not None:
                    yield f"the sidecar has no subscription to {one.topic} on {name}"


def _coming(subscribed: Sequence[Subscribed]) -> Iterable[Need]:
    for one in subscribed:
        for component in (one.component, *one.components):
            yield from ((component, route.address) for route in one.routes)
            if not one.routes:
                yield component, "replies"


def _by_component(needs: Iterable[Need]) -> _ByComponent:
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for component, what in needs:
        found[component][what] = None
    return {component: list(whats) for component, whats in found.items()}


def _absent(needed: _ByComponent, block: Literal["pubsub", "state"], loaded: SidecarMetadata) -> list[str]:
    there = {component.name for component in loaded.components if component.type.startswith(f"{block}.")}
    return [
        f"the sidecar has not loaded the {_WORDS[block]} component {name}, {_why(name, needed[name])}; "
        "look in the sidecar's log, and see that its YAML is in the profile's folder and its scopes name this app"
        for name in sorted(needed.keys() - there)
    ]


def _why(component: str, whats: Sequence[str]) -> str:
    if component == PUBSUB:
        return "which carries all that names no other"
    more = f" and {len(whats) - _NAMED} more" if len(whats) > _NAMED else ""
    return f"which is needed for {', '.join(whats[:_NAMED])}{more}"
