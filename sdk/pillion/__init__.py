"""pillion: services as typed declarations; Dapr component YAML decides which broker, stores and secrets they meet."""

from typing import TYPE_CHECKING, Any

from pillion.context import Context
from pillion.errors import (
    BridgeError,
    ConfigurationError,
    ConflictError,
    DeadlineExceeded,
    DeclarationError,
    Failure,
    Forbidden,
    IdempotencyKeyReused,
    InternalError,
    InvalidInput,
    NotFound,
    PillionError,
    RemoteFailure,
    Unauthenticated,
    Unavailable,
    UndeclaredError,
    UnknownCommand,
)
from pillion.message import Message
from pillion.outcome import DeadLetter, Drop, Retry
from pillion.pipeline.outbound import Cause
from pillion.resilience.breaker import Breaker
from pillion.resilience.pause import Pause
from pillion.service.command import Command, CommandFailed
from pillion.service.contract import Contract
from pillion.service.event import Event, foreign_event
from pillion.service.expose import Expose
from pillion.service.filter import exact, matching, prefix, suffix
from pillion.service.guard import Guard, guard
from pillion.service.service import Service
from pillion.service.setup import Setup

if TYPE_CHECKING:
    from pillion.gateway.face import Gateway
    from pillion.runtime.host import Host

__all__ = [
    "Breaker",
    "BridgeError",
    "Cause",
    "Command",
    "CommandFailed",
    "ConfigurationError",
    "ConflictError",
    "Context",
    "Contract",
    "DeadLetter",
    "DeadlineExceeded",
    "DeclarationError",
    "Drop",
    "Event",
    "Expose",
    "Failure",
    "Forbidden",
    "Gateway",
    "Guard",
    "Host",
    "IdempotencyKeyReused",
    "InternalError",
    "InvalidInput",
    "Message",
    "NotFound",
    "Pause",
    "PillionError",
    "RemoteFailure",
    "Retry",
    "Service",
    "Setup",
    "Unauthenticated",
    "Unavailable",
    "UndeclaredError",
    "UnknownCommand",
    "exact",
    "foreign_event",
    "guard",
    "matching",
    "prefix",
    "suffix",
]


def __getattr__(name: str) -> Any:
    """``Host`` and ``Gateway`` on first use: whoever only declares services need not pay for their imports."""
    if name == "Host":
        from pillion.runtime.host import Host  # noqa: PLC0415

        return Host
    if name == "Gateway":
        from pillion.gateway.face import Gateway  # noqa: PLC0415

        return Gateway
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
