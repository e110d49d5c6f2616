"""What every test may ask for."""

from __future__ import annotations

import sys
from pathlib import Path

import structlog

# So that `tests.…` can be imported, from whichever folder pytest is started.
sys.path.insert(0, str(Path(__file__).parents[1]))

pytest_plugins = ["tests.servers", "tests.mosquitto", "tests.nats"]


def pytest_configure() -> None:
    """Plain logs: the tracebacks that structlog draws by default take longer than most tests."""
    structlog.configure(
        processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()],
        logger_factory=structlog.PrintLoggerFactory(),
    )
