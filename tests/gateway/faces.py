"""A gateway over HTTP for one test: a host, its face on a random port, and a real client."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientSession

from pillion.bridges.memory.bridge import MemoryBridge
from pillion.gateway.auth import Authenticator
from pillion.gateway.face import Gateway, GatewaySettings
from pillion.ports.bridge import Bridge
from pillion.runtime.embedded import memory_stores
from pillion.runtime.host import Host
from pillion.runtime.settings import HostSettings
from pillion.service.service import Service


@dataclass
class Answer:
    """What the client got."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


class Client:
    """Asks the gateway."""

    def __init__(self, session: ClientSession, url: str) -> None:
        self._session = session
        self.url = url

    async def ask(self, method: str, path: str, **options: Any) -> Answer:
        """One request; header names of the answer are in lower case."""
        async with self._session.request(method, self.url + path, **options) as response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, headers, await response.read())


@asynccontextmanager
async def served(
    *services: Service[Any, Any],
    authenticator: Authenticator | None = None,
    bridge: Bridge | None = None,
    settings: HostSettings | None = None,
) -> AsyncIterator[Client]:
    """Services behind a gateway that offers what they expose."""
    gateway = Gateway(
        [service.contract for service in services], authenticator=authenticator, settings=GatewaySettings(port=0)
    )
    async with Host(*services, bridge=bridge or MemoryBridge(), stores=memory_stores(), settings=settings) as host:
        await gateway.start(host)
        try:
            async with ClientSession() as session:
                yield Client(session, f"http://127.0.0.1:{gateway.port}")
        finally:
            await gateway.stop()
