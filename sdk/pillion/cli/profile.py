"""What the doctor looks at in profiles: folders of Dapr component YAML that are loaded together."""

from __future__ import annotations

import contextlib
import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from pillion.cli.finding import Finding
from pillion.errors import ConfigurationError
from pillion.runtime.delivery import differences, unchecked
from pillion.runtime.resources import Resource, documents, files
from pillion.runtime.zeroloss import limits, losses, shared, unjudged
from pillion.sidecar.health import SidecarMetadata

_KINDS = frozenset(
    ("Component", "Configuration", "HTTPEndpoint", "MCPServer", "Resiliency", "Subscription", "WorkflowAccessPolicy")
)
_CONNECT_SECONDS = 1.0


def check_profiles(folders: Sequence[Path]) -> list[Finding]:
    """All that can be said about profiles without a sidecar."""
    resources, unreadable = _read(folders)
    findings = [
        *unreadable,
        *(finding for resource in resources for finding in _check_shape(resource)),
        *_check_duplicates(resources),
        *(Finding(loss.file.name, loss.text, loss.remedy) for loss in losses(resources)),
    ]
    if not findings:
        findings = [Finding("profile", f"{_names(folders)}: {len(resources)} resources, well formed")]
    findings += [
        Finding("profile", sentence) for sentence in (*shared(resources), *unjudged(resources), *limits(resources))
    ]
    return [*findings, *_check_servers(resources)]


def missing_servers(folders: Sequence[Path]) -> list[Finding]:
    """The servers that profiles name and that do not answer. Waits for each of them, for a second at most."""
    return [finding for finding in _check_servers(_read(folders)[0]) if not finding.ok]


def check_loaded(folders: Sequence[Path], loaded: SidecarMetadata) -> Iterator[Finding]:
    """Where a sidecar has loaded something else than these profiles; without any, that its settings are not known."""
    if not folders:
        for sentence in unchecked(loaded):
            text, _, remedy = sentence.partition("; ")
            yield Finding("sidecar", text, remedy)
        return
    resources = [resource for resource in _read(folders)[0] if resource.is_for(loaded.id)]
    for difference in differences(resources, loaded):
        text, _, remedy = difference.partition(": ")
        yield Finding("sidecar", text, remedy)


def check_needs(folders: Sequence[Path], service: str, components: Sequence[str]) -> Finding:
    """Whether profiles have the components that a service uses."""
    if missing := [name for name in components if name not in _components(folders)]:
        text = f"{_names(folders)} has no component {', '.join(missing)}"
        return Finding(service, text, "add it, choose another profile, or name the folder that has it with --profile")
    return Finding(service, f"{_names(folders)} has {', '.join(components)}")


def check_pubsub(folders: Sequence[Path], service: str) -> Finding:
    """Whether profiles have the pub/sub component of a service that runs without a sidecar; a note if not."""
    if "pubsub" in _components(folders):
        return Finding(service, f"{_names(folders)} has pubsub")
    kept = "its messages are kept in memory, as always without a sidecar; beside one, add it"
    return Finding(service, f"{_names(folders)} has no component pubsub, so {kept}")


def check_state(folders: Sequence[Path], service: str, component: str) -> Finding:
    """Whether profiles have the state component of a service that declares nothing that needs it; a note if not."""
    if component in _components(folders):
        return Finding(service, f"{_names(folders)} has {component}")
    lost = "its handlers have no state and no delay=, and its dead letters are not kept"
    return Finding(service, f"{_names(folders)} has no component {component}, so {lost}")


def _components(folders: Sequence[Path]) -> set[str]:
    return {resource.name for resource in _read(folders)[0] if resource.kind == "Component"}


def _names(folders: Sequence[Path]) -> str:
    return " with ".join(str(folder) for folder in folders)


def _read(folders: Sequence[Path]) -> tuple[list[Resource], list[Finding]]:
    read = [_read_folder(folder) for folder in folders]
    return [resource for resources, _ in read for resource in resources], [one for _, found in read for one in found]


def _read_folder(folder: Path) -> tuple[list[Resource], list[Finding]]:
    found = files(folder)
    if not found:
        return [], [Finding("profile", f"{folder} has no YAML file", "name a folder of Dapr component YAML")]
    resources: list[Resource] = []
    findings: list[Finding] = []
    for file in found:
        try:
            resources += documents(file)
        except ConfigurationError as error:
            findings.append(Finding(file.name, str(error), "correct it"))
    return resources, findings


def _check_shape(resource: Resource) -> Iterator[Finding]:
    if not resource.kind:
        yield Finding(resource.file.name, "a document without kind", "add `kind: Component` or what it is")
    elif resource.kind not in _KINDS:
        yield Finding(resource.file.name, f"unknown kind {resource.kind}", f"use one of {', '.join(sorted(_KINDS))}")
    if not resource.name:
        yield Finding(
            resource.file.name, f"a {resource.kind or 'document'} without a name", "add `metadata: {name: ...}`"
        )
    if resource.kind == "Component" and not resource.type:
        yield Finding(
            resource.file.name, f"component {resource.name} without a type", "add `spec: {type: pubsub.redis}` or so"
        )


def _check_duplicates(resources: Sequence[Resource]) -> Iterator[Finding]:
    counts = Counter((resource.kind, resource.name) for resource in resources if resource.name)
    for (kind, name), count in counts.items():
        if count > 1:
            where = ", ".join(
                resource.file.name for resource in resources if (resource.kind, resource.name) == (kind, name)
            )
            yield Finding("profile", f"{count} times {kind} {name} ({where})", "keep one; only one of them is loaded")


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
    elif resource.type.endswith(".kafka"):
        hosts, port = resource.value("brokers"), 9092
    elif resource.type == "state.postgresql" and "://" in resource.value("connectionString"):
        hosts, port = resource.value("connectionString"), 5432
    else:
        return
    for host in filter(None, (part.strip() for part in hosts.split(","))):
        # Only host and port are kept: a connection string may have a password in it.
        parts = urlsplit(host if "://" in host else f"//{host}")
        with contextlib.suppress(ValueError):  # no number for a port: daprd tells that better than we could
            yield parts.hostname or "", parts.port or port


def _check_servers(resources: Sequence[Resource]) -> list[Finding]:
    return [_check_server(address, names) for address, names in _servers(resources).items()]


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
