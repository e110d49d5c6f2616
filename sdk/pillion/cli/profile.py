"""What the doctor looks at in a profile: a folder of Dapr component YAML."""

from __future__ import annotations

import contextlib
import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from pillion.cli.finding import Finding

_KINDS = frozenset(
    ("Component", "Configuration", "HTTPEndpoint", "MCPServer", "Resiliency", "Subscription", "WorkflowAccessPolicy")
)
_CONNECT_SECONDS = 1.0


@dataclass(frozen=True)
class Resource:
    """One YAML document of a profile."""

    file: str
    data: dict[str, Any]

    @property
    def kind(self) -> str:
        """``Component``, ``Resiliency``, …; empty when it has none."""
        return str(self.data.get("kind") or "")

    @property
    def name(self) -> str:
        """Its ``metadata.name``; empty when it has none."""
        return str(_mapping(self.data.get("metadata")).get("name") or "")

    @property
    def spec(self) -> dict[str, Any]:
        """Its ``spec``."""
        return _mapping(self.data.get("spec"))

    @property
    def type(self) -> str:
        """``pubsub.redis``; empty for anything but a component."""
        return str(self.spec.get("type") or "") if self.kind == "Component" else ""

    def value(self, name: str) -> str:
        """A plain value of a component's metadata; empty when it is missing or comes from a secret."""
        items = self.spec.get("metadata")
        found = (
            (_mapping(item) for item in items if _mapping(item).get("name") == name) if isinstance(items, list) else ()
        )
        return next((str(item.get("value") or "") for item in found), "")


def check_profile(folder: Path) -> list[Finding]:
    """All that can be said about a profile without a sidecar."""
    resources, unreadable = _read(folder)
    findings = [
        *unreadable,
        *(finding for resource in resources for finding in _check_shape(resource)),
        *_check_duplicates(resources),
        *_check_resiliency(resources),
    ]
    if not findings:
        findings = [Finding("profile", f"{folder}: {len(resources)} resources, well formed")]
    return [*findings, *(_check_server(address, names) for address, names in _servers(resources).items())]


def check_needs(folder: Path, service: str, components: Sequence[str]) -> Finding:
    """Whether a profile has the components that a service uses."""
    names = {resource.name for resource in _read(folder)[0] if resource.kind == "Component"}
    if missing := [name for name in components if name not in names]:
        text = f"profile {folder.name} has no component {', '.join(missing)}"
        return Finding(service, text, f"add it to {folder}, or choose another profile")
    return Finding(service, f"profile {folder.name} has {', '.join(components)}")


def _read(folder: Path) -> tuple[list[Resource], list[Finding]]:
    files = sorted(file for file in folder.glob("*") if file.suffix in {".yaml", ".yml"})
    if not files:
        return [], [Finding("profile", f"{folder} has no YAML file", "name a folder of Dapr component YAML")]
    resources: list[Resource] = []
    findings: list[Finding] = []
    for file in files:
        try:
            documents = [document for document in yaml.safe_load_all(file.read_text()) if document is not None]
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            findings.append(Finding(file.name, f"is no YAML: {' '.join(str(error).split())}", "correct it"))
            continue
        resources += [Resource(file.name, _mapping(document)) for document in documents]
    return resources, findings


def _check_shape(resource: Resource) -> Iterator[Finding]:
    if not resource.kind:
        yield Finding(resource.file, "a document without kind", "add `kind: Component` or what it is")
    elif resource.kind not in _KINDS:
        yield Finding(resource.file, f"unknown kind {resource.kind}", f"use one of {', '.join(sorted(_KINDS))}")
    if not resource.name:
        yield Finding(resource.file, f"a {resource.kind or 'document'} without a name", "add `metadata: {name: ...}`")
    if resource.kind == "Component" and not resource.type:
        yield Finding(
            resource.file, f"component {resource.name} without a type", "add `spec: {type: pubsub.redis}` or so"
        )


def _check_duplicates(resources: Sequence[Resource]) -> Iterator[Finding]:
    counts = Counter((resource.kind, resource.name) for resource in resources if resource.name)
    for (kind, name), count in counts.items():
        if count > 1:
            files = ", ".join(resource.file for resource in resources if (resource.kind, resource.name) == (kind, name))
            yield Finding("profile", f"{count} times {kind} {name} ({files})", "keep one; only one of them is loaded")


def _check_resiliency(resources: Sequence[Resource]) -> Iterator[Finding]:
    covered = {
        name
        for resource in resources
        if resource.kind == "Resiliency"
        for name, target in _mapping(_mapping(resource.spec.get("targets")).get("components")).items()
        if _mapping(_mapping(target).get("inbound")).get("retry")
    }
    for resource in resources:
        if resource.type.startswith("pubsub.") and resource.name not in covered:
            yield Finding(
                resource.file,
                f"no inbound retry for {resource.name}: a message that arrives while the app is down or restarting is "
                "acknowledged and lost",
                f"add a Resiliency with targets.components.{resource.name}.inbound.retry (constant, maxRetries: -1)",
            )


def _servers(resources: Sequence[Resource]) -> dict[tuple[str, int], list[str]]:
    servers: dict[tuple[str, int], list[str]] = {}
    for resource in resources:
        for address in _addresses(resource):
            servers.setdefault(address, []).append(resource.name)
    return servers


def _addresses(resource: Resource) -> Iterator[tuple[str, int]]:
    if resource.type.endswith(".redis"):
        hosts, port = resource.value("redisHost"), 6379
    elif resource.type.endswith(".rabbitmq"):
        hosts, port = resource.value("connectionString") or resource.value("hostname"), 5672
    else:
        return
    for host in filter(None, (part.strip() for part in hosts.split(","))):
        # Only host and port are kept: a connection string may have a password in it.
        parts = urlsplit(host if "://" in host else f"//{host}")
        with contextlib.suppress(ValueError):  # no number for a port: daprd tells that better than we could
            yield parts.hostname or "", parts.port or port


def _check_server(address: tuple[str, int], names: Sequence[str]) -> Finding:
    place = f"{address[0]}:{address[1]}"
    try:
        socket.create_connection(address, timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        reason = error.strerror or str(error)
        return Finding(
            place, f"no server there ({reason}), which {', '.join(names)} need", "start it, or correct its address"
        )
    return Finding(place, f"reachable, for {', '.join(names)}")


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
