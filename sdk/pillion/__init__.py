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
from pillion.service.command import Command, CommandFailed
from pillion.service.contract import Contract
from pillion.service.event import Event, foreign_event
from pillion.service.expose import Expose
from pillion.service.filter import exact, matching, prefix, suffix
from pillion.service.guard import Guard, guard
from pillion.service.service import Service, Setup

if TYPE_CHECKING:
    from pillion.runtime.host import Host

__all__ = [
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
    "Guard",
    "Host",
    "InternalError",
    "InvalidInput",
    "Message",
    "NotFound",
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
    """``Host`` on first use: whoever only declares need not pay for the runtime's imports."""
    if name != "Host":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pillion.runtime.host import Host  # noqa: PLC0415

    return Host
