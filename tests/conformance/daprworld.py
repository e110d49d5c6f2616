"""The worlds beside sidecars: the fake one in this process, and real daprds over a real broker."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from typing import Any, Protocol, Self
from uuid import uuid4

from pillion.runtime.beside import host_beside_sidecar
from pillion.runtime.host import Host
from pillion.runtime.settings import HostSettings
from pillion.service.guard import Guard
from pillion.service.service import Service
from pillion.sidecar.channel import SidecarChannel
from pillion.sidecar.ports import free_port
from pillion.sidecar.process import Daprd, DaprdOptions
from pillion.sidecar.settings import SidecarSettings
from pillion.testing.sidecar import FakeBroker, FakeSidecar

# Real brokers tell nobody when they are idle: no delivery for this long counts as that. Seconds.
_QUIET = 0.5
_POLL = 0.02


class Sidecar(Protocol):
    """What a world needs of a sidecar."""

    async def stop(self, grace: float = ...) -> Any: ...


class DaprWorld(ABC):
    """Hosts in this process, each beside a sidecar of its own; implements ``World``."""

    lacks: frozenset[str] = frozenset()

    def __init__(self, settings: HostSettings | None = None) -> None:
        self._settings = settings or HostSettings()
        self._stack = AsyncExitStack()
        self._sidecars: dict[int, Sidecar] = {}
        self._hosts: list[Host] = []
        self._names = count(1)
        self._run = uuid4().hex[:8]
        self._activity = 0
        self._outside: SidecarChannel | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for host in reversed(self._hosts):
            await self.stop(host)
        if self._outside is not None:
            await self._outside.close()
        await self._stack.aclose()

    def name(self, word: str) -> str:
        return f"{word}-{self._run}-{next(self._names)}"

    async def start(
        self, *services: Service[Any, Any], guards: Mapping[str, Guard] | None = None, drain_seconds: float = 10.0
    ) -> Host:
        app_id, app_port = services[0].name, free_port()
        http_port, sidecar = await self._sidecar(app_id, app_port)
        settings = self._settings.model_copy(
            update={"drain_seconds": drain_seconds, "apps": {service.name: app_id for service in services}}
        )
        environ = {"APP_ID": app_id, "APP_PORT": str(app_port), "DAPR_HTTP_PORT": str(http_port)}
        host = host_beside_sidecar(list(services), settings, environ, guards=guards)
        self._count(host)
        self._sidecars[id(host)] = sidecar
        self._hosts.append(host)
        await host.start()
        async with asyncio.timeout(30):
            while await host.problems():  # noqa: ASYNC110 - the sidecar tells nobody
                await asyncio.sleep(_POLL)
        return host

    async def stop(self, host: Host) -> int:
        """The sidecar first, while its app still answers."""
        sidecar = self._sidecars.pop(id(host), None)
        if sidecar is not None:
            await sidecar.stop()
        return await host.stop()

    async def publish_event(self, topic: str, event: bytes) -> None:
        await self._publish(topic, event, "application/cloudevents+json", {"metadata.rawPayload": "true"})

    async def publish_data(self, topic: str, data: bytes) -> None:
        await self._publish(topic, data, "application/json", {})

    async def publish_raw(self, topic: str, body: bytes) -> None:
        await self._publish(topic, body, "application/octet-stream", {"metadata.rawPayload": "true"})

    async def quiet(self) -> None:
        loop = asyncio.get_running_loop()
        seen, since = -1, loop.time()
        while loop.time() - since < _QUIET or self._busy():
            if seen != self._activity:
                seen, since = self._activity, loop.time()
            await asyncio.sleep(_POLL)

    @abstractmethod
    async def _sidecar(self, app_id: str, app_port: int | None) -> tuple[int, Sidecar]:
        """Start a sidecar; its HTTP port, and itself."""

    def _busy(self) -> bool:
        return any(host.channel.busy for host in self._hosts if host.channel is not None)  # type: ignore[attr-defined]

    def _count(self, host: Host) -> None:
        channel: Any = host.channel
        handle = channel.handle

        async def counted(request: Any) -> Any:
            self._activity += 1
            return await handle(request)

        channel.handle = counted

    async def _publish(self, topic: str, body: bytes, content_type: str, params: dict[str, str]) -> None:
        if self._outside is None:
            http_port, sidecar = await self._sidecar("outsider", None)
            self._stack.push_async_callback(sidecar.stop)
            self._outside = SidecarChannel(SidecarSettings(http_address=f"http://127.0.0.1:{http_port}"))
            await self._outside.start()
        path, headers = f"/v1.0/publish/pubsub/{topic}", {"content-type": content_type}
        await self._outside.ask("POST", path, "publishing", body=body, headers=headers, params=params)


class FakeWorld(DaprWorld):
    """Fake sidecars that share a broker in this process."""

    def __init__(self, settings: HostSettings | None = None) -> None:
        super().__init__(settings)
        self._broker = FakeBroker()

    async def _sidecar(self, app_id: str, app_port: int | None) -> tuple[int, Sidecar]:
        sidecar = FakeSidecar(self._broker, app_id, app_port)
        await sidecar.start()
        return sidecar.http_port, sidecar


class DaprdWorld(DaprWorld):
    """Real daprds with the components of a profile."""

    def __init__(self, profile: Path, configuration: Path, settings: HostSettings | None = None) -> None:
        super().__init__(settings)
        self.profile = profile
        self.configuration = configuration

    async def _sidecar(self, app_id: str, app_port: int | None) -> tuple[int, Sidecar]:
        options = DaprdOptions(
            app_id=app_id,
            app_port=app_port,
            resources_paths=(self.profile,),
            config_path=self.configuration,
            # Tests need not wait for peers that might still call out.
            flags=("--dapr-block-shutdown-duration", "0s"),
        )
        sidecar = Daprd(options)
        await sidecar.start()
        self._stack.push_async_callback(sidecar.stop)
        await sidecar.wait_ready()
        return options.http_port, sidecar
