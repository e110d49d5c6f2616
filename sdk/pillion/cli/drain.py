"""Drain: an app finishes what it has in hand before its sidecar stops.

A stopping daprd drops the batches that it has delivered: nobody tells the broker that their messages are done, so they
come again. And it is gone, with the state, before a handler that takes longer has committed. So the app drains first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress

import aiohttp

from pillion.runtime.host import DRAINED
from pillion.runtime.settings import HostSettings
from pillion.sidecar.child import Child

# An app with this in its environment answers its sidecar until that is gone: see ``HostSettings.linger``.
LINGERS = {"PILLION_LINGER": "true"}
_MARGIN_SECONDS = 5.0
_POLL_SECONDS = 0.02
_ANSWER_SECONDS = 2.0


async def drain(app: Child, address: str | None, variables: Mapping[str, str]) -> None:
    """SIGTERM to an app of pillion; returns when it has nothing in hand, or has ended.

    Others are left alone: nobody knows when they are done.

    Args:
        app: started with these variables, ``LINGERS`` among them.
        address: its host and port; None when it does not listen.
        variables: its environment; it has ``PILLION_DRAIN_SECONDS`` of it, and five seconds more.
    """
    if address is None or app.returncode is not None:
        return
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ANSWER_SECONDS)) as session:
        if await _problems(session, address) is None:
            return
        app.terminate()
        with suppress(TimeoutError):
            async with asyncio.timeout(_limit(variables)):
                while app.returncode is None and DRAINED not in (await _problems(session, address) or ()):  # noqa: ASYNC110 - another process
                    await asyncio.sleep(_POLL_SECONDS)


def _limit(variables: Mapping[str, str]) -> float:
    given = variables.get("PILLION_DRAIN_SECONDS")
    with suppress(ValueError):  # such an app has told so and ended
        return float(given or HostSettings().drain_seconds) + _MARGIN_SECONDS
    return _MARGIN_SECONDS


async def _problems(session: aiohttp.ClientSession, address: str) -> Sequence[str] | None:
    """What keeps the app from being ready; None when it does not answer as one of pillion."""
    try:
        async with session.get(f"http://{address}/readyz") as answer:
            found = await answer.json()
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return None
    return found.get("problems") if isinstance(found, dict) else None
