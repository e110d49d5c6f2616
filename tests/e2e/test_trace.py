"""One order over six processes and six real daprds is one trace."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.daprd import require_daprd
from tests.e2e.fleet import ROOT, Shop
from tests.profiles import copy_configuration, copy_profile
from tests.servers import Server

pytestmark = [pytest.mark.daprd, pytest.mark.redis, pytest.mark.timeout(240)]

PROCESSES = 6  # users, inventory, payments, orders, notifications, gateway
TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


async def test_an_order_over_six_processes_is_one_trace(redis_server: Server, tmp_path: Path) -> None:
    require_daprd()
    profile = copy_profile("redis", tmp_path, redis=redis_server.address)
    spans = tmp_path / "spans.jsonl"
    path = os.pathsep.join([str(Path(__file__).with_name("tracing")), str(ROOT)])
    variables = {"SPANS_FILE": str(spans), "PYTHONPATH": path}
    async with (
        Shop(tmp_path, profile, copy_configuration(tmp_path), variables) as shop,
        aiohttp.ClientSession(headers={"traceparent": f"00-{TRACE}-{CALLER}-01"}) as session,
    ):
        assert (await shop.order(session))["status"] == "confirmed"
        await shop.mail("confirmed")
        found = await traced(spans)
    known = {span["span"] for span in found} | {CALLER}
    assert [span for span in found if span["parent"] not in known] == []
    assert {"SERVER", "CLIENT", "PRODUCER", "CONSUMER"} <= {span["kind"] for span in found}


async def traced(spans: Path) -> list[dict[str, Any]]:
    """The spans of the trace, once all processes have told of theirs, notifications last, with all parents."""
    async with asyncio.timeout(60):
        while True:
            lines = spans.read_text().splitlines() if spans.exists() else []
            found = [span for span in map(json.loads, lines) if span["trace"] == TRACE]
            known = {span["span"] for span in found} | {CALLER}
            told = any("notifications" in span["name"] for span in found) and all(s["parent"] in known for s in found)
            if told and len({span["process"] for span in found}) == PROCESSES:
                return found
            await asyncio.sleep(0.05)
