"""The check at start: whether the sidecar beside this process can lose messages by its settings."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, Protocol

from pillion.bridges.dapr.components import APART, PUBSUB, Components
from pillion.bridges.dapr.subscriptions import SIDECAR_TIMEOUT
from pillion.errors import ConfigurationError
from pillion.ports.bridge import Route
from pillion.runtime.inbound import Inbound
from pillion.runtime.resources import Resource, read
from pillion.runtime.timeouts import overlong
from pillion.runtime.zeroloss import limits, losses, shared, unjudged
from pillion.sidecar.capabilities import capabilities
from pillion.sidecar.health import SidecarMetadata

Mode = Literal["refuse", "warn", "off"]

_WAYS_ON = "or set PILLION_DELIVERY_CHECK=warn to start all the same"
# What is refused unless told otherwise; what may be as it is, and is refused when asked to; what is only told.
_Found = tuple[list[str], list[str], list[str]]
# Dapr loads it by itself.
_BUILT_IN = "secretstores.kubernetes"


class Log(Protocol):
    """Where warnings go."""

    def warning(self, event: str, /) -> object:
        """Write a warning."""


class DeliveryCheck:
    """Looks at a profile as daprd loaded it.

    Daprd tells which components it has loaded, but none of their settings, so those are read from the profile: once
    names and types agree with what daprd has.

    Args:
        folders: the profile; none at all leaves the settings unchecked.
        mode: what to do about what loses messages, or cannot be checked. None refuses what a profile shows, and warns
            of the rest, so that a first service starts beside any sidecar.
        log: for warnings.

    Raises:
        ConfigurationError: the profile cannot be read.
    """

    def __init__(self, folders: Sequence[Path], mode: Mode | None, log: Log) -> None:
        self._folders = folders
        self._resources = read(folders) if mode != "off" else []
        self._mode = mode
        self._log = log

    def accept(self, loaded: SidecarMetadata, asked: Sequence[tuple[str, Route]] = ()) -> None:
        """Look at what a sidecar has loaded, and whether it waits long enough for these handlers, by component.

        Raises:
            ConfigurationError: it can lose messages, or has other components than the profile, or does not wait long
                enough, and the mode does not allow that; the text names file and setting.
        """
        if self._mode == "off":
            return
        problems, doubts, notes = self._checked(loaded, asked) if self._folders else self._unchecked(loaded, asked)
        doubts = [*doubts, *discarded(asked, loaded)]
        refused = {None: problems, "warn": [], "refuse": [*problems, *doubts]}[self._mode]
        if refused:
            raise ConfigurationError(f"{'; '.join(refused)}; {_WAYS_ON}")
        for text in (*problems, *doubts, *notes):
            self._log.warning(text)

    def sidecar_timeout(self, loaded: SidecarMetadata, component: str) -> float:
        """Seconds for which this sidecar waits for an answer to what a component brings; as shipped when not known."""
        if not self._resources:
            return SIDECAR_TIMEOUT
        timeout = Inbound(self._of(loaded)).timeout(component)
        return math.inf if timeout is None else timeout

    def _of(self, loaded: SidecarMetadata) -> list[Resource]:
        return [resource for resource in self._resources if resource.is_for(loaded.id)]

    def _checked(self, loaded: SidecarMetadata, asked: Sequence[tuple[str, Route]]) -> _Found:
        resources = self._of(loaded)
        problems = list(differences(resources, loaded)) or [
            f"messages can be lost: {loss}" for loss in losses(resources)
        ]
        problems += overlong(asked, Inbound(resources).timeout)
        return problems, [], [*limits(resources), *shared(resources), *unjudged(resources), *crowded(asked, loaded)]

    def _unchecked(self, loaded: SidecarMetadata, asked: Sequence[tuple[str, Route]]) -> _Found:
        return [], [*unchecked(loaded), *overlong(asked, lambda _: SIDECAR_TIMEOUT)], []


def unchecked(loaded: SidecarMetadata) -> Iterator[str]:
    """That a sidecar may lose messages and nobody has said where its settings are; one sentence, or none."""
    found = [f"{one.name} ({one.type})" for one in loaded.components if one.type.startswith("pubsub.")]
    if found:
        yield (
            f"{', '.join(found)} can lose messages with Dapr's defaults, and a sidecar does not tell its settings, so "
            "they were not checked; name the folders of its component YAML in PILLION_PROFILE, as `pillion dev` does "
            "(that of a plain `dapr run`: PILLION_PROFILE=$HOME/.dapr/components)"
        )


def discarded(asked: Sequence[tuple[str, Route]], loaded: SidecarMetadata) -> Iterator[str]:
    """Services whose dead letters are lost: nobody here takes them, and the broker does not keep them; a sentence each.

    A service keeps its own, in its state store.
    """
    component = loaded.component(PUBSUB)
    given = None if component is None else capabilities(component.type)
    if component is None or given is None or given.keeps:
        return
    topics = {route.dead_letter_topic: route.group for _, route in asked if route.dead_letter_topic}
    for topic in sorted(topics.keys() - {route.topic for _, route in asked}):
        yield (
            f"dead letters of {topics[topic]} are lost: it has no state component that keeps ETags for them, and "
            f"{component.name} ({component.type}) throws away what nobody has subscribed to; add such a component, or "
            f"have another service subscribe to {topic}"
        )


def crowded(asked: Sequence[tuple[str, Route]], loaded: SidecarMetadata) -> Iterator[str]:
    """Components with topics that must share a connection and get in each other's way on it, a sentence each."""
    components = Components(component.name for component in loaded.components)
    for name in sorted(loaded.of_types(APART)):
        topics = {route.topic for component, route in asked if component == name}
        lanes = components.lanes(name)
        if len(topics) > max(len(lanes), name != PUBSUB):
            yield (
                f"{name} brings {len(topics)} topics and has {len(lanes)} lanes: after a restart of the broker "
                "messages of topics that share a connection can be held for half an hour; have as many components "
                f"{name}-lane-2, {name}-lane-3, … as there are topics, see lanes.yaml of the profile rabbitmq"
            )


def differences(resources: Sequence[Resource], loaded: SidecarMetadata) -> Iterator[str]:
    """Where a sidecar has loaded something else than these resources, a sentence each."""
    types = {resource.name: resource.type for resource in resources if resource.type}
    for component in loaded.components:
        if (written := types.get(component.name)) != component.type and component.type != _BUILT_IN:
            found = f"of type {written}" if written else "not there"
            yield (
                f"the sidecar has loaded {component.name} ({component.type}), which is {found} in the profile: name "
                "all folders that the sidecar loads in PILLION_PROFILE"
            )
    present = {component.name for component in loaded.components} | {found.name for found in loaded.resiliencies}
    for resource in resources:
        if resource.name not in present and _must_be_loaded(resource, loaded):
            yield (
                f"the sidecar has not loaded {resource.name} of {resource.file}: give it the folders that "
                "PILLION_PROFILE names, or restart it"
            )


def _must_be_loaded(resource: Resource, loaded: SidecarMetadata) -> bool:
    if resource.kind == "Resiliency":
        # Dapr 1.17 does not say which it has, and only the first document of a file can be one.
        return resource.first and not loaded.runtime_version.startswith("1.17.")
    return resource.type.startswith("pubsub.")
