"""Inbound: what a profile's Resiliency makes of a delivery that the application could not take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pillion.runtime.loss import Loss
from pillion.runtime.resources import Resource, mapping
from pillion.runtime.timeouts import seconds

_ACKNOWLEDGED = "a message that arrives while the app is down or restarting is acknowledged and lost"
_KINDS = {"retry": "retries", "timeout": "timeouts", "circuitBreaker": "circuitBreakers"}
_DURATIONS = {"retries": ("duration", "maxInterval"), "timeouts": ("",), "circuitBreakers": ("interval", "timeout")}
_PASSED_OVER = f"daprd passes over the whole Resiliency, so that {_ACKNOWLEDGED}"
# Policies with these beginnings hold for a component that no target names; the first that is there.
_DEFAULTS = ("DefaultPubsubComponentInbound", "DefaultComponentInbound", "DefaultComponent", "Default")


class Inbound:
    """The policies of all Resiliency resources that one sidecar loads; of two with one name, the last.

    Source: https://docs.dapr.io/operations/resiliency/policies/

    Args:
        resources: those of the profile; others than Resiliency are passed over.
    """

    def __init__(self, resources: Sequence[Resource]) -> None:
        self._targets: dict[str, tuple[Path, dict[str, Any]]] = {}
        self._policies: dict[tuple[str, str], tuple[Path, Any]] = {}
        for resource in resources:
            if resource.kind == "Resiliency" and resource.first:  # daprd reads no others
                self._add(resource)

    def losses(self, component: Resource) -> Iterator[Loss]:
        """What loses messages of this pub/sub component."""
        name = component.name
        file, chosen = self._targets.get(name) or (component.file, self._defaults())
        yield from self._retry_losses(file, name, str(chosen.get("retry") or ""))
        timeout = str(chosen.get("timeout") or "")
        if ("timeouts", timeout) not in self._policies:
            loses = "an app that hangs holds up all that comes behind"
            yield Loss(file, name, _place(name, "timeout"), timeout, "a timeout of 60s", loses)
        if breaker := chosen.get("circuitBreaker"):
            loses = "while it is open deliveries fail at once, and are acknowledged and lost"
            yield Loss(file, name, _place(name, "circuitBreaker"), str(breaker), "", loses)

    def misread(self) -> Iterator[Loss]:
        """The durations that are none: daprd logs it, and goes on without any policy of their Resiliency."""
        for (kind, name), (file, policy) in self._policies.items():
            written = {"": policy} if kind == "timeouts" else mapping(policy)
            for setting in _DURATIONS[kind]:
                value = str(written.get(setting, 0))
                if not value.isdecimal() and seconds(value) is None:  # plain numbers are milliseconds
                    place = f"policies.{kind}.{name}.{setting}".rstrip(".")
                    yield Loss(file, "Resiliency", place, value, "a duration such as 60s", _PASSED_OVER)

    def timeout(self, component: str) -> float | None:
        """Seconds after which the sidecar gives up on what this component brings; None when it does not say."""
        _, chosen = self._targets.get(component) or (None, self._defaults())
        _, policy = self._policies.get(("timeouts", str(chosen.get("timeout") or ""))) or (None, "")
        return seconds(str(policy))

    def _retry_losses(self, file: Path, component: str, name: str) -> Iterator[Loss]:
        if ("retries", name) not in self._policies:
            write = "a retry that is constant, with maxRetries: -1"
            yield Loss(file, component, _place(component, "retry"), name, write, _ACKNOWLEDGED)
            return
        file, policy = self._policies["retries", name]
        written, place = mapping(policy), f"policies.retries.{name}"
        if (kind := str(written.get("policy") or "constant")) != "constant":
            loses = "it gives up after 15 minutes, whatever maxRetries says, and the message is lost"
            yield Loss(file, component, f"{place}.policy", kind, "constant", loses)
        if (retries := str(written.get("maxRetries", -1))) != "-1":
            yield Loss(file, component, f"{place}.maxRetries", retries, "-1", "a longer outage loses the message")
        if matching := written.get("matching"):
            loses = f"with any other code, {_ACKNOWLEDGED}"
            yield Loss(file, component, f"{place}.matching", str(matching), "", loses)

    def _add(self, resource: Resource) -> None:
        for kind in _KINDS.values():
            for name, policy in mapping(mapping(resource.spec.get("policies")).get(kind)).items():
                self._policies[kind, str(name)] = (resource.file, policy)
        for name, target in mapping(mapping(resource.spec.get("targets")).get("components")).items():
            self._targets[str(name)] = (resource.file, mapping(mapping(target).get("inbound")))

    def _defaults(self) -> dict[str, str]:
        return {one: self._default(kind, f"{one[0].upper()}{one[1:]}") for one, kind in _KINDS.items()}

    def _default(self, kind: str, word: str) -> str:
        names = (f"{beginning}{word}Policy" for beginning in _DEFAULTS)
        return next((name for name in names if (kind, name) in self._policies), "")


def _place(component: str, setting: str) -> str:
    return f"targets.components.{component}.inbound.{setting}"
