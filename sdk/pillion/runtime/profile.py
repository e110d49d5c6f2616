"""Reads a profile, a folder of Dapr component YAML, for a host that has no sidecar."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pillion.errors import ConfigurationError


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


def components(folder: Path, environ: Mapping[str, str]) -> dict[str, Component]:
    """The components of a profile by name.

    Args:
        folder: the profile.
        environ: for metadata that is taken from it (``envRef``).

    Raises:
        ConfigurationError: the folder or a file in it cannot be read, or two components have one name.
    """
    if not folder.is_dir():
        raise ConfigurationError(f"profile {folder}: no such folder; give --profile one with Dapr component YAML")
    found: dict[str, Component] = {}
    for component in _components(folder, environ):
        if component.name in found:
            first = found[component.name].file
            raise ConfigurationError(f'component "{component.name}" is in {first} and in {component.file}')
        found[component.name] = component
    return found


def _components(folder: Path, environ: Mapping[str, str]) -> Iterator[Component]:
    for file in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
        for document in _documents(file):
            if document.get("kind") == "Component":
                yield _component(document, file, environ)


def _documents(file: Path) -> list[dict[str, Any]]:
    try:
        found = list(yaml.safe_load_all(file.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{file} cannot be read: {error}") from None
    return [document for document in found if isinstance(document, dict)]


def _component(document: Mapping[str, Any], file: Path, environ: Mapping[str, str]) -> Component:
    try:
        spec = document["spec"]
        metadata = {item["name"]: _value(item, environ) for item in spec.get("metadata") or ()}
        scopes = tuple(document.get("scopes") or ())
        return Component(document["metadata"]["name"], spec["type"], metadata, scopes, file)
    except (KeyError, TypeError) as error:
        raise ConfigurationError(f"{file}: a Component needs metadata.name and spec.type; {error} is missing") from None


def _value(item: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    if "envRef" in item:
        return environ.get(str(item["envRef"]), "")
    value = item.get("value", "")
    return str(value).lower() if isinstance(value, bool) else str(value)
