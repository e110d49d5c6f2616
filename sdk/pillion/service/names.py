"""Which names are allowed, and the addresses and topics made of them."""

from __future__ import annotations

import re

from pillion.errors import DeclarationError

_SERVICE = re.compile(r"[a-z][a-z0-9-]{0,62}")
_MEMBER = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")
# What Redis, RabbitMQ, Kafka, NATS JetStream and MQTT all accept; Kafka allows 249 characters, NATS no empty token.
_TOPIC = re.compile(r"(?=.{1,249}$)[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


def service_name(name: str) -> str:
    """The name, when it can be a service's (and so a Dapr app id).

    Raises:
        DeclarationError: it cannot.
    """
    if not _SERVICE.fullmatch(name):
        raise DeclarationError(
            f'service "{name}": a name is 1-63 lower-case letters, digits and hyphens, beginning with a letter, '
            "because it is also the Dapr app id"
        )
    return name


def member_name(name: str, where: str) -> str:
    """The name, when it can be a command's or an event's.

    Raises:
        DeclarationError: it cannot.
    """
    if not _MEMBER.fullmatch(name):
        raise DeclarationError(
            f'{where} "{name}": a name is 1-63 letters, digits, underscores and hyphens, beginning with a letter'
        )
    return name


def topic_name(name: str) -> str:
    """The name, when Redis, RabbitMQ, Kafka, NATS JetStream and MQTT all take it as a topic.

    Raises:
        DeclarationError: one of them does not.
    """
    if not _TOPIC.fullmatch(name):
        raise DeclarationError(
            f'topic "{name}": use up to 249 letters, digits, "_" and "-" in parts joined by single dots; '
            "other characters are refused or have a meaning on Kafka, NATS or MQTT"
        )
    return name


def group_of(service: str, version: int) -> str:
    """``payments.v1``: the service in one version, which is also its consumer group."""
    return f"{service}.v{version}"
