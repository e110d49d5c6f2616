"""FastStream's broker, set up alike for its four programs."""

from __future__ import annotations

import os

from faststream.redis import RedisBroker


def broker() -> RedisBroker:
    """Without its log line per message, and with connections for 128 requests at once; redis-py's default is 100."""
    return RedisBroker(os.environ["REDIS_URL"], logger=None, max_connections=1000)  # type: ignore[arg-type]
