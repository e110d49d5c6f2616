"""The real sidecar for tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pillion.errors import ConfigurationError
from pillion.sidecar.process import find_daprd


def require_daprd() -> Path:
    """The daprd binary; without one the test is skipped, or fails under PILLION_REQUIRE_ALL=1."""
    try:
        return find_daprd()
    except ConfigurationError as error:
        if os.environ.get("PILLION_REQUIRE_ALL") == "1":
            pytest.fail(f"{error}; PILLION_REQUIRE_ALL=1 says that nothing may be skipped", pytrace=False)
        pytest.skip(str(error))
