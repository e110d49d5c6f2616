"""Readiness: whether an app has started, or only listens."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

import aiohttp

_POLL_SECONDS = 0.1
_ANSWER_SECONDS = 5.0
PATIENCE_SECONDS = 10.0


async def until_ready(address: str, tell: Callable[[str], object], *, patience: float = PATIENCE_SECONDS) -> None:
    """Wait, without end, until an app does not say at ``/readyz`` that it is not ready.

    An app of ours listens before it has started: a sidecar waits for it. One without that path is ready when it
    answers.

    Args:
        address: its host and port.
        tell: called once with its answer, or why there is none, when it takes long.
        patience: how long that is, in seconds.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + patience
    timeout = aiohttp.ClientTimeout(total=_ANSWER_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        while obstacle := await _obstacle(session, f"http://{address}/readyz"):
            if loop.time() > until:
                tell(obstacle)
                until = math.inf
            await asyncio.sleep(_POLL_SECONDS)


async def _obstacle(session: aiohttp.ClientSession, url: str) -> str:
    """Why it is not ready; empty when it is."""
    try:
        async with session.get(url) as answer:
            return (await answer.text() or "503") if answer.status == 503 else ""
    except (aiohttp.ClientError, TimeoutError) as error:
        return str(error) or type(error).__name__
