"""App and sidecar start in either order: the one that is first waits for the other."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from pillion import Service
from pillion.runtime.beside import host_beside_sidecar
from pillion.runtime.settings import HostSettings
from pillion.sidecar.ports import free_port
from pillion.sidecar.process import Daprd, DaprdOptions
from tests.daprd import require_daprd
from tests.profiles import copy_configuration, copy_profile

pytestmark = [pytest.mark.daprd]


async def status(port: int, path: str) -> int | None:
    """What the app answers; None while nobody listens there."""
    try:
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
            return answer.status
    except aiohttp.ClientConnectionError:
        return None


async def test_an_app_waits_for_a_sidecar_that_comes_later(tmp_path: Path) -> None:
    require_daprd()
    service, profile = Service("early"), copy_profile("local", tmp_path)

    @service.command
    async def double(number: int) -> int:
        return 2 * number

    options = DaprdOptions(
        app_id="early", app_port=free_port(), resources_paths=(profile,), config_path=copy_configuration(tmp_path)
    )
    ports = {"APP_PORT": str(options.app_port), "DAPR_HTTP_PORT": str(options.http_port)}
    host = host_beside_sidecar([service], HostSettings(), {"APP_ID": "early", **ports})
    starting = asyncio.ensure_future(host.start())
    async with asyncio.timeout(15):
        while await status(options.app_port or 0, "/healthz") != 200:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.02)
    assert await status(options.app_port or 0, "/readyz") == 503
    assert not starting.done()
    async with Daprd(options) as sidecar:
        await starting
        await sidecar.wait_serving()
        assert await host.call(double, 21) == 42
        await sidecar.stop()
        await host.stop()
