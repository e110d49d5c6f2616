"""What every test may ask for."""

from __future__ import annotations

import sys
from pathlib import Path

# So that `tests.…` can be imported, from whichever folder pytest is started.
sys.path.insert(0, str(Path(__file__).parents[1]))

pytest_plugins = ["tests.servers", "tests.mosquitto", "tests.nats"]
