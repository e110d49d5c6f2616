"""The shop as six processes, each beside its own daprd, run by ``pillion dev`` from a copy of dapr.yaml."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any, Self

import aiohttp
import yaml

from pillion.sidecar.child import Child
from pillion.sidecar.ports import free_port

ROOT = Path(__file__).parents[2]
_PINNED = ("appPort", "daprHTTPPort", "daprGRPCPort", "daprInternalGRPCPort", "metricsPort")
_READY_SECONDS = 120.0
_MAIL_SECONDS = 60.0
_STOP_SECONDS = 40.0
_POLL_SECONDS = 0.05


class Shop:
    """The running shop.

    Args:
        folder: for its data, logs and run file.
        profile: folder of components, of the broker and of the state.
        configuration: Dapr configuration.
        environment: variables of every app.

    Attributes:
        url: of its gateway.
        mails: folder that notifications are written to.
    """

    def __init__(self, folder: Path, profile: Path, configuration: Path, environment: dict[str, str]) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.mails = folder / "mail"
        self.lines: list[str] = []
        self._folder = folder
        variables = {"GATEWAY_PORT": str(port), "NOTIFICATIONS_FOLDER": str(self.mails), **environment}
        self._run_file = _run_file(folder, profile, configuration, variables)
        self._fleet: Child | None = None

    async def __aenter__(self) -> Self:
        command = [sys.executable, "-m", "pillion", "dev", "-f", str(self._run_file)]
        variables = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        self._fleet = Child(command, variables, directory=ROOT, output=self.lines.append)
        await self._fleet.start()
        try:
            async with aiohttp.ClientSession() as session:
                await self._ready(session)
        except BaseException:
            await self._fleet.stop(_STOP_SECONDS)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._fleet is not None and self._fleet.returncode is None:
            os.kill(self._fleet.pid, signal.SIGINT)
            code = await self._fleet.wait()
            assert code == 0, self.tail

    @property
    def tail(self) -> str:
        """The last lines of all its processes."""
        return "\n".join(self.lines[-60:])

    async def order(self, session: aiohttp.ClientSession, **changes: Any) -> dict[str, Any]:
        """Place an order; the answer."""
        order = {
            "email": "ada@example.com",
            "card": "4242424242424242",
            "lines": [{"sku": "tea", "quantity": 2}],
            **changes,
        }
        async with session.post(f"{self.url}/orders", json=order) as response:
            answer: dict[str, Any] = await response.json()
            assert response.status == 201, (answer, self.tail)
            return answer

    async def sign_up(self, session: aiohttp.ClientSession, name: str, email: str) -> None:
        """Become a customer."""
        async with session.post(f"{self.url}/users", json={"name": name, "email": email}) as response:
            assert response.status == 201, (await response.text(), self.tail)

    async def mail(self, text: str) -> str:
        """The first mail with this text, once it is there."""
        async with asyncio.timeout(_MAIL_SECONDS):
            while True:
                for file in self.mails.glob("*.eml"):
                    if text in (found := file.read_text()):
                        return found
                await asyncio.sleep(_POLL_SECONDS)

    async def _ready(self, session: aiohttp.ClientSession) -> None:
        try:
            async with asyncio.timeout(_READY_SECONDS):
                # The gateway may be ready before those that hear events: on some brokers what comes first is gone.
                while not (any("all are ready" in line for line in self.lines) and await _is_ready(session, self.url)):
                    assert self._fleet is not None
                    assert self._fleet.returncode is None, self.tail
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            raise AssertionError(f"the shop did not get ready:\n{self.tail}") from None


async def _is_ready(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(f"{url}/readyz") as response:
            return response.status == 200
    except aiohttp.ClientConnectionError:
        return False


def _run_file(folder: Path, profile: Path, configuration: Path, environment: dict[str, str]) -> Path:
    """A copy of dapr.yaml with free ports, this profile and these variables."""
    found = yaml.safe_load((ROOT / "dapr.yaml").read_text())
    found["common"] = {"resourcesPaths": [str(profile)], "configFilePath": str(configuration), "env": environment}
    for app in found["apps"]:
        app |= {"appDirPath": str(ROOT), "appPort": free_port()}
        for name in _PINNED[1:]:
            app.pop(name, None)
    copy = folder / "dapr.yaml"
    copy.write_text(yaml.safe_dump(found))
    return copy
