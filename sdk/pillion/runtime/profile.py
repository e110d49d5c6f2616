"""Reads a profile, folders of Dapr component YAML, for a host that has no sidecar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pillion.errors import ConfigurationError
from pillion.runtime.resources import Resource, read


@dataclass(frozen=True)
class Component:
    """One Dapr component.

    Attributes:
        name, type: as in its YAML.
        metadata: its settings.
        scopes: app ids that may use it; empty for all.
        file: where it is written.

    Source: https://docs.dapr.io/reference/resource-specs/component-schema/
    """

    name: str
    type: str
    metadata: Mapping[str, str]
    scopes: tuple[str, ...]
    file: Path

    def is_for(self, *apps: str) -> bool:
        """Whether one of these may use it."""
        return not self.scopes or not set(self.scopes).isdisjoint(apps)


def components(folders: Sequence[Path], environ: Mapping[str, str]) -> dict[str, Component]:
    """The components of a profile by name.

    Args:
        folders: the profile.
        environ: for metadata that is taken from it (``envRef``).

    Raises:
        ConfigurationError: a folder or a file in it cannot be read, two components have one name, or the scopes of one
            are no list.
    """
    found: dict[str, Component] = {}
    resources = [resource for resource in read(folders) if resource.kind == "Component"]
    for component in (_component(resource, environ) for resource in resources):
        if component.name in found:
            first = found[component.name].file
            raise ConfigurationError(f'component "{component.name}" is in {first} and in {component.file}')
        found[component.name] = component
    return found


def _component(resource: Resource, environ: Mapping[str, str]) -> Component:
    document, file = resource.data, resource.file
    try:
        spec = document["spec"]
        metadata = {item["name"]: _value(item, environ) for item in spec.get("metadata") or ()}
        return Component(document["metadata"]["name"], spec["type"], metadata, _scopes(resource), file)
    except (KeyError, TypeError) as error:
        raise ConfigurationError(f"{file}: a Component needs metadata.name and spec.type; {error} is missing") from None


def _scopes(resource: Resource) -> tuple[str, ...]:
    written = resource.data.get("scopes")
    if not isinstance(written, list | None):
        raise ConfigurationError(
            f'{resource.file}: scopes of component "{resource.name}" are {written!r}; write a list: [{written}]'
        )
    return tuple(resource.scopes)


def _value(item: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    if "envRef" in item:
        return environ.get(str(item["envRef"]), "")
    value = item.get("value", "")
    return str(value).lower() if isinstance(value, bool) else str(value)
