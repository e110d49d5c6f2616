"""A sidecar in process: daprd's HTTP protocol on a real socket, without daprd and without a broker."""

from __future__ import annotations

from pillion.testing.sidecar.broker import FakeBroker
from pillion.testing.sidecar.server import FakeSidecar

__all__ = ["FakeBroker", "FakeSidecar"]
