"""Which of a topic's messages a subscription wants.

The dialect is that of CloudEvents Subscriptions: exact, prefix and suffix of attributes, combined with ``&``, ``|`` and
``~``. A filter is checked in process, and also handed to Dapr as a routing rule where Dapr's language can say it.

Source: https://github.com/cloudevents/spec/blob/main/subscriptions/spec.md
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from msgspec.structs import fields

from pillion.errors import DeclarationError
from pillion.message import Message

_ALIASES = {"tenant": "tenantid", "principal": "principalid", "correlation": "correlationid"}
# Wire name to Python name of what a message has fields for; everything else is in its extensions.
_FIELDS = {found.encode_name: found.name for found in fields(Message)}
# What a message has as a time, a number or the payload.
_NOT_TEXT = frozenset(found.encode_name for found in fields(Message) if found.type not in (str, str | None))
# Dapr rewrites or blanks these on the way, so a routing rule on them would not give what the process sees.
_REWRITTEN = frozenset({"traceparent", "tracestate", "traceid", "topic", "pubsubname"})
# A rule with one of these is not valid, and beside one that is not, an app has no subscription at all.
# Source: https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax
_RESERVED = frozenset({
    "as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let", "loop",
    "namespace", "null", "package", "return", "true", "var", "void", "while",
})  # fmt: skip
# Nor is one whose parentheses are 250 deep, or with 100,000 characters; one that is shorter than this is neither.
_LONGEST_RULE = 10_000


class Filter(ABC):
    """A condition on a message's attributes. Combine with ``&``, ``|`` and ``~``.

    An attribute that is not there, or is a number or true or false, has no text: ``exact(level="5")`` does not match an
    event whose ``level`` is the number 5, and ``~exact(level="5")`` does.
    """

    @abstractmethod
    def matches(self, message: Message) -> bool:
        """Whether the subscription wants this message."""

    def rule(self) -> str | None:
        """The same condition in Dapr's routing language (CEL); None when it cannot be said there.

        Dapr reads and writes again what it routes, and rounds integers in the payload beyond 2^53 as it does.
        """
        return None

    def __and__(self, other: Filter) -> Filter:
        return _All(self, other)

    def __or__(self, other: Filter) -> Filter:
        return _Any(self, other)

    def __invert__(self) -> Filter:
        return _Not(self)


@dataclass(frozen=True)
class _Attribute(Filter):
    name: str
    value: str
    test: Callable[[str, str], bool]
    rule_format: str

    def matches(self, message: Message) -> bool:
        found = attribute(message, self.name)
        return isinstance(found, str) and self.test(found, self.value)

    def rule(self) -> str | None:
        if self.name in _REWRITTEN or self.name in _RESERVED or self.name[0].isdigit():
            return None
        # Without has() and type(), an event that lacks the attribute, or has another type there, is an error, and Dapr
        # then skips every later rule.
        name = f"event.{self.name}"
        test = self.rule_format.format(name=name, value=json.dumps(self.value, ensure_ascii=False))
        return f"(has({name}) && type({name}) == string && {test})"


@dataclass(frozen=True)
class _All(Filter):
    left: Filter
    right: Filter

    def matches(self, message: Message) -> bool:
        return self.left.matches(message) and self.right.matches(message)

    def rule(self) -> str | None:
        return _joined(self.left, "&&", self.right)


@dataclass(frozen=True)
class _Any(Filter):
    left: Filter
    right: Filter

    def matches(self, message: Message) -> bool:
        return self.left.matches(message) or self.right.matches(message)

    def rule(self) -> str | None:
        return _joined(self.left, "||", self.right)


@dataclass(frozen=True)
class _Not(Filter):
    inner: Filter

    def matches(self, message: Message) -> bool:
        return not self.inner.matches(message)

    def rule(self) -> str | None:
        rule = self.inner.rule()
        return None if rule is None else f"!{rule}"


@dataclass(frozen=True)
class _Predicate(Filter):
    test: Callable[[Message], bool]

    def matches(self, message: Message) -> bool:
        return self.test(message)


def _joined(left: Filter, operator: str, right: Filter) -> str | None:
    rules = (left.rule(), right.rule())
    if None in rules:
        return None
    joined = f"({rules[0]} {operator} {rules[1]})"
    return joined if len(joined) <= _LONGEST_RULE else None


def attribute(message: Message, name: str) -> Any:
    """The value of a CloudEvents attribute by its wire name; None when the message has none."""
    return getattr(message, _FIELDS[name]) if name in _FIELDS else message.extensions.get(name)


def exact(**attributes: str) -> Filter:
    """All these attributes have exactly these values: ``exact(tenant="acme", region="eu")``.

    Raises:
        DeclarationError: no attribute is named, one is none of CloudEvents or none with text, or a value is no text.
    """
    return _every(attributes, str.__eq__, "{name} == {value}")


def prefix(**attributes: str) -> Filter:
    """All these attributes begin so: ``prefix(subject="eu-")``.

    Raises:
        DeclarationError: no attribute is named, one is none of CloudEvents or none with text, or a value is no text.
    """
    return _every(attributes, str.startswith, "{name}.startsWith({value})")


def suffix(**attributes: str) -> Filter:
    """All these attributes end so: ``suffix(source="/payments.v1")``.

    Raises:
        DeclarationError: no attribute is named, one is none of CloudEvents or none with text, or a value is no text.
    """
    return _every(attributes, str.endswith, "{name}.endsWith({value})")


def matching(test: Callable[[Message], bool]) -> Filter:
    """Any test in Python; checked in process only."""
    return _Predicate(test)


def _every(attributes: dict[str, str], test: Callable[[str, str], bool], rule_format: str) -> Filter:
    if not attributes:
        raise DeclarationError("a filter needs at least one attribute, for example exact(tenant='acme')")
    first, *rest = (_checked(name, value, test, rule_format) for name, value in attributes.items())
    found: Filter = first
    for condition in rest:
        found = found & condition
    return found


def _checked(name: str, value: object, test: Callable[[str, str], bool], rule_format: str) -> Filter:
    wire_name = _ALIASES.get(name, name)
    if not (wire_name.isascii() and wire_name.isalnum() and wire_name == wire_name.lower()):
        raise DeclarationError(f'filter attribute "{name}": CloudEvents names are lower-case letters and digits')
    if wire_name in _NOT_TEXT:
        raise DeclarationError(
            f'filter attribute "{name}" is no text in a message, and filters compare text; check it in the handler, or '
            "with matching(...)"
        )
    if not isinstance(value, str):
        raise DeclarationError(
            f'filter attribute "{name}": {value!r} is no text, and filters compare text; check it in the handler, or '
            "with matching(...)"
        )
    return _Attribute(wire_name, value, test, rule_format)
