"""Resource: one YAML document of a profile, as it is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pillion.errors import ConfigurationError


@dataclass(frozen=True)
class Resource:
    """One document: a component, a Resiliency or another kind.

    Attributes:
        file: where it is written.
        data: what is written.
        first: whether it is the first document of its file.
    """

    file: Path
    data: dict[str, Any]
    first: bool = True

    @property
    def kind(self) -> str:
        """``Component``, ``Resiliency``, …; empty when it has none."""
        return str(self.data.get("kind") or "")

    @property
    def name(self) -> str:
        """Its ``metadata.name``; empty when it has none."""
        return str(mapping(self.data.get("metadata")).get("name") or "")

    @property
    def spec(self) -> dict[str, Any]:
        """Its ``spec``."""
        return mapping(self.data.get("spec"))

    @property
    def type(self) -> str:
        """``pubsub.redis``; empty for anything but a component."""
        return str(self.spec.get("type") or "") if self.kind == "Component" else ""

    @property
    def scopes(self) -> Sequence[str]:
        """App ids that may use it; empty for all."""
        found = self.data.get("scopes")
        return [str(scope) for scope in found] if isinstance(found, list) else ()

    def is_for(self, app: str) -> bool:
        """Whether the sidecar of this app loads it."""
        return not self.scopes or app in self.scopes

    def value(self, name: str) -> str:
        """A plain value of a component's metadata; empty when it is missing or comes from elsewhere."""
        value = self._item(name).get("value")
        return "" if value is None else str(value)

    def is_hidden(self, name: str) -> bool:
        """Whether a value of a component's metadata is there but comes from a secret or a variable of the sidecar."""
        return not self._item(name).keys().isdisjoint({"secretKeyRef", "envRef"})

    def _item(self, name: str) -> dict[str, Any]:
        items = self.spec.get("metadata")
        # As daprd does: whether a name is in upper or lower case is the same.
        wanted = name.casefold()
        found = (mapping(item) for item in items) if isinstance(items, list) else ()
        return next((item for item in found if str(item.get("name")).casefold() == wanted), {})


def files(folder: Path) -> list[Path]:
    """The YAML files of a profile, in the order that daprd reads them."""
    return sorted(file for file in folder.glob("*") if file.suffix in {".yaml", ".yml"})


def documents(file: Path) -> list[Resource]:
    """The documents of a file; what is no mapping is an empty one.

    Raises:
        ConfigurationError: the file cannot be read or is no YAML.
    """
    try:
        found = [document for document in yaml.safe_load_all(file.read_text("utf-8")) if document is not None]
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{file} cannot be read: {' '.join(str(error).split())}") from None
    return [Resource(file, mapping(document), number == 0) for number, document in enumerate(found)]


def read(folders: Sequence[Path]) -> list[Resource]:
    """All documents of profiles that are loaded together.

    Raises:
        ConfigurationError: a folder is not there, or a file in it cannot be read.
    """
    for folder in folders:
        if not folder.is_dir():
            raise ConfigurationError(f"profile {folder}: no such folder; name one with Dapr component YAML")
    return [resource for folder in folders for file in files(folder) for resource in documents(file)]


def mapping(value: Any) -> dict[str, Any]:
    """The value if it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}
