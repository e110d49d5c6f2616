"""The last step of the tutorial: its services over Redis, each beside a real daprd, called by the command line."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from pillion.sidecar.ports import free_port
from tests.cli.invoking import run
from tests.daprd import require_daprd
from tests.docs.pages import ROOT
from tests.servers import Server

pytestmark = [pytest.mark.daprd, pytest.mark.redis]

NAMES = ("stock", "till", "diary")


class Corner:
    """``pillion dev`` in a copy of the tutorial's folder.

    Attributes:
        ports: HTTP ports of the sidecars by app id.
    """

    def __init__(self, folder: Path, redis: str) -> None:
        self.ports = {name: str(free_port()) for name in NAMES}
        self.folder = folder / "corner"
        shutil.copytree(ROOT / "docs" / "snippets" / "tutorial", self.folder)
        self._adapt("components/redis/all.yaml", lambda text: text.replace("127.0.0.1:6379", redis))
        self._adapt("dapr.yaml", self._with_ports)

    async def start(self) -> Process:
        """Start it; returns when all are ready."""
        command = (sys.executable, "-m", "pillion", "dev")
        process = await asyncio.create_subprocess_exec(*command, cwd=self.folder, stdout=PIPE, stderr=STDOUT)
        assert process.stdout is not None
        seen: list[str] = []
        async for line in process.stdout:
            seen.append(line.decode())
            if "all are ready" in seen[-1]:
                return process
        raise AssertionError("".join(seen))

    async def call(self, address: str, payload: str) -> str:
        """The answer of a command, called through its own sidecar."""
        found = await run("call", address, payload, "--sidecar-port", self.ports[address.partition(".")[0]])
        assert found.code == 0, found.err
        return found.out.strip()

    def _adapt(self, name: str, change: Callable[[str], str]) -> None:
        file = self.folder / name
        file.write_text(change(file.read_text()))

    def _with_ports(self, text: str) -> str:
        for number, name in enumerate(NAMES, 1):
            text = text.replace(f"710{number}", str(free_port())).replace(f"720{number}", self.ports[name])
        assert not re.search(r": 7[12]0\d$", text, re.MULTILINE)
        return text


@pytest_asyncio.fixture
async def corner(redis_server: Server, tmp_path: Path) -> AsyncIterator[Corner]:
    require_daprd()
    corner = Corner(tmp_path, redis_server.address)
    process = await corner.start()
    reading = asyncio.create_task(process.communicate())
    try:
        yield corner
    finally:
        process.send_signal(signal.SIGINT)
        await reading
    assert process.returncode == 0


async def test_the_corner_shop_sells_over_redis(corner: Corner) -> None:
    assert await corner.call("stock.deliver", '{"item": "tea", "amount": 5}') == "5"
    assert await corner.call("till.buy", '{"item": "tea", "amount": 2}') == '{"item":"tea","amount":2}'
    async with asyncio.timeout(50):
        while await corner.call("diary.sold_so_far", '"tea"') != "2":
            pass  # the event is on its way
