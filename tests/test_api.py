"""What `import pillion` offers, and what it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import pillion

PUBLIC = [
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


def test_the_public_names_are_these() -> None:
    assert sorted(pillion.__all__) == sorted(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(pillion, name) is not None


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Hots'"):
        _ = pillion.Hots


def loaded_by(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter has after this statement."""
    script = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    return set(
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    )


@pytest.mark.parametrize("statement", ["import pillion", "import pillion.testing.plugin"])
def test_importing_loads_nothing_heavy(statement: str) -> None:
    heavy = {"aiohttp", "dapr", "fastapi", "grpc", "opentelemetry", "pydantic_settings", "structlog", "uvicorn", "yaml"}
    assert loaded_by(statement) & heavy == set()
