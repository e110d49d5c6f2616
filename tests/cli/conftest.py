"""What tests of the command line may ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

from pillion.sidecar.ports import free_port
from tests.cli.fragile import state_in


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    """A profile with the fragile service's state."""
    return state_in(tmp_path)


@pytest.fixture
def default_port(monkeypatch: pytest.MonkeyPatch) -> int:
    """Stands in for 3500, which may be taken on this machine; nothing listens there."""
    port = free_port()
    monkeypatch.setattr("pillion.cli.outside.DEFAULT_HTTP_PORT", port)
    return port
