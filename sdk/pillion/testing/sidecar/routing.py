"""Subscriptions as an application declares them, and which route a message takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pillion.errors import ConfigurationError

Matches = Callable[[Any], bool]


class UnroutableError(Exception):
    """A rule could not be evaluated, for example because the event lacks the attribute it names."""


@dataclass(frozen=True)
class Bulk:
    """How a subscription in bulk collects messages."""

    count: int = 100
    seconds: float = 1.0


@dataclass(frozen=True)
class Subscription:
    """One entry of ``GET /dapr/subscribe``.

    Attributes:
        declared: the entry as the application gave it.
        rules: condition and path, in order; a condition of None always holds.
        bulk: None for single delivery.
    """

    pubsub: str
    topic: str
    rules: tuple[tuple[Matches | None, str], ...]
    dead_letter_topic: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    bulk: Bulk | None = None
    declared: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, declared: Mapping[str, Any]) -> Subscription | None:
        """The subscription in this entry; None when it has no route, as daprd then ignores it.

        Raises:
            UnroutableError: a rule is no valid CEL expression.
            ConfigurationError: it has rules and cel-python is not installed.
        """
        rules = tuple(_rules_of(declared))
        if not rules:
            return None
        return cls(
            pubsub=declared.get("pubsubname", ""),
            topic=declared.get("topic", ""),
            rules=rules,
            dead_letter_topic=declared.get("deadLetterTopic") or "",
            metadata=declared.get("metadata") or {},
            bulk=_bulk_of(declared.get("bulkSubscribe") or {}),
            declared=declared,
        )

    def route(self, event: Any) -> str | None:
        """The path of the first rule that holds; None when none does.

        Raises:
            UnroutableError: a rule could not be evaluated; daprd does not try the ones after it.
        """
        return next((path for matches, path in self.rules if matches is None or matches(event)), None)

    def described(self) -> dict[str, Any]:
        """As ``/v1.0/metadata`` shows it."""
        rules = _described_rules(self.declared)
        metadata = {"metadata": dict(self.metadata)} if self.metadata else {}
        return {
            "pubsubname": self.pubsub,
            "topic": self.topic,
            **metadata,
            "rules": rules,
            "deadLetterTopic": self.dead_letter_topic,
            "type": "PROGRAMMATIC",
        }


def _described_rules(declared: Mapping[str, Any]) -> list[dict[str, str]]:
    routes = declared.get("routes") or {}
    default = routes.get("default") or declared.get("route")
    return [*(routes.get("rules") or ()), *([{"path": default}] if default else [])]


def _rules_of(declared: Mapping[str, Any]) -> list[tuple[Matches | None, str]]:
    rules = _described_rules(declared)
    return [(_condition(rule["match"]) if rule.get("match") else None, rule["path"]) for rule in rules]


def _bulk_of(declared: Mapping[str, Any]) -> Bulk | None:
    if not declared.get("enabled"):
        return None
    return Bulk(declared.get("maxMessagesCount") or 100, (declared.get("maxAwaitDurationMs") or 1000) / 1000)


def _condition(expression: str) -> Matches:
    try:
        # Only who tests routing rules needs it.
        from celpy import Environment  # noqa: PLC0415
        from celpy.adapter import json_to_cel  # noqa: PLC0415
        from celpy.celparser import CELParseError  # noqa: PLC0415
        from celpy.evaluation import CELEvalError  # noqa: PLC0415
    except ImportError:
        text = f"the routing rule {expression!r} needs cel-python here: pip install cel-python"
        raise ConfigurationError(text) from None
    environment = Environment()
    try:
        program = environment.program(environment.compile(expression))
    except CELParseError as error:
        raise UnroutableError(f"{expression!r}: {error}") from None

    def matches(event: Any) -> bool:
        try:
            return bool(program.evaluate({"event": json_to_cel(_fit(event))}))
        except CELEvalError as error:
            raise UnroutableError(f"{expression!r}: {error}") from None

    return matches


def _fit(value: Any) -> Any:
    """The value with integers beyond 64 bits as floats: CEL has no larger ones."""
    if isinstance(value, dict):
        return {name: _fit(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_fit(member) for member in value]
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**63:
        return float(value)
    return value
