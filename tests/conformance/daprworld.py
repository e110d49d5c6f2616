"""The worlds beside sidecars: the fake one in this process, and real daprds over a real broker."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, Protocol, Self
from uuid import uuid4

import yaml

from pillion.pipeline.facilities import LONGEST_WAIT
from pillion.ports.store import StateStore
from pillion.resilience.claims import CLAIMS
from pillion.runtime.beside import host_beside_sidecar
from pillion.runtime.host import Host
from pillion.runtime.settings import HostSettings
from pillion.runtime.stores import Stores
from pillion.service.guard import Guard
from pillion.service.service import Service
from pillion.sidecar.channel import SidecarChannel
from pillion.sidecar.ports import free_port
from pillion.sidecar.process import Daprd, DaprdOptions
from pillion.sidecar.settings import SidecarSettings
from pillion.stores.dapr import DaprStateStore
from pillion.testing.conformance.world import Publish
from pillion.testing.sidecar import FakeBroker, FakeSidecar
from tests.daprd import require_daprd
from tests.profiles import copy_configuration, copy_profile

_POLL = 0.02
_START_SECONDS = 60.0
_GRACE = 5.0

ORDER = "order by key"
STATE = "conformance-state"


class Sidecar(Protocol):
    """What a world needs of a sidecar."""

    async def stop(self, grace: float = ...) -> Any: ...

    async def kill(self) -> Any: ...


class DaprWorld(ABC):
    """Hosts in this process, each beside a sidecar of its own; implements ``World``."""

    lacks: frozenset[str] = frozenset({ORDER})
    state = STATE
    # Real brokers tell nobody when they are idle: no delivery for this long counts as that. Seconds.
    idle_seconds = 0.5
    poll_seconds = _POLL

    def __init__(self, settings: HostSettings | None = None) -> None:
        self._settings = settings or HostSettings()
        if self._settings.commands != "invocation":
            self.lacks |= {"cancellation"}
        self._stack = AsyncExitStack()
        self._sidecars: dict[int, Sidecar] = {}
        self._hosts: list[Host] = []
        self._dead: list[Host] = []
        self._names = count(1)
        self._run = uuid4().hex[:8]
        self._activity = 0
        self._outside: SidecarChannel | None = None
        self._going_out = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for host in reversed(self._dead + self._hosts):
            await self.stop(host)
        if self._outside is not None:
            await self._outside.close()
        await self._stack.aclose()

    def name(self, word: str) -> str:
        return f"{word}-{self._run}-{next(self._names)}"

    async def start(
        self,
        *services: Service[Any, Any],
        guards: Mapping[str, Guard] | None = None,
        publishing: Callable[[Publish], Publish] | None = None,
        storing: Callable[[StateStore], StateStore] | None = None,
        drain_seconds: float = 10.0,
        longest_wait: float = LONGEST_WAIT,
    ) -> Host:
        app_id, app_port = services[0].name, free_port()
        http_port, sidecar = await self._sidecar(app_id, app_port)
        settings = self._settings.model_copy(
            update={
                "drain_seconds": drain_seconds,
                "longest_wait": longest_wait,
                "apps": {service.name: app_id for service in services},
            }
        )
        environ = {"APP_ID": app_id, "APP_PORT": str(app_port), "DAPR_HTTP_PORT": str(http_port)}
        host = host_beside_sidecar(list(services), settings, environ, guards=guards)
        if publishing is not None:
            host.bridge.publish = publishing(host.bridge.publish)  # type: ignore[assignment]
        if storing is not None:
            host._stores = _around(host._stores, storing)
        self._count(host)
        self._sidecars[id(host)] = sidecar
        self._hosts.append(host)
        await host.start()
        async with asyncio.timeout(_START_SECONDS):
            while await host.problems():  # noqa: ASYNC110 - the sidecar tells nobody
                await asyncio.sleep(self.poll_seconds)
        return host

    async def stop(self, host: Host) -> int:
        """The sidecar first, while its app still answers."""
        sidecar = self._sidecars.pop(id(host), None)
        if sidecar is not None:
            await sidecar.stop()
        return await host.stop()

    async def crash(self) -> None:
        """Whatever reaches others goes through the sidecars."""
        await asyncio.gather(*(sidecar.kill() for sidecar in self._sidecars.values()))
        self._sidecars.clear()
        self._dead += self._hosts
        self._hosts.clear()

    async def publish_event(self, topic: str, event: bytes) -> None:
        await self._publish(topic, event, "application/cloudevents+json", {"metadata.rawPayload": "true"})

    async def publish_data(self, topic: str, data: bytes) -> None:
        await self._publish(topic, data, "application/json", {})

    async def publish_raw(self, topic: str, body: bytes) -> None:
        await self._publish(topic, body, "application/octet-stream", {"metadata.rawPayload": "true"})

    async def store(self) -> StateStore:
        store = DaprStateStore(await self._outsider(), STATE)
        await store.start()
        return store

    async def quiet(self) -> None:
        loop = asyncio.get_running_loop()
        seen, since = -1, loop.time()
        while loop.time() - since < self.idle_seconds or self._busy():
            if seen != self._activity:
                seen, since = self._activity, loop.time()
            await asyncio.sleep(self.poll_seconds)

    @abstractmethod
    async def _sidecar(self, app_id: str, app_port: int | None) -> tuple[int, Sidecar]:
        """Start a sidecar; its HTTP port, and itself."""

    def _busy(self) -> bool:
        if any(keeper.busy for host in self._hosts if host.running for keeper in host.keepers):
            return True
        return any(host.channel.busy for host in self._hosts if host.channel is not None)  # type: ignore[attr-defined]

    def _count(self, host: Host) -> None:
        channel: Any = host.channel
        handle = channel.handle

        async def counted(request: Any) -> Any:
            self._activity += 1
            return await handle(request)

        channel.handle = counted

    async def _publish(self, topic: str, body: bytes, content_type: str, params: dict[str, str]) -> None:
        outside = await self._outsider()
        path, headers = f"/v1.0/publish/pubsub/{topic}", {"content-type": content_type}
        await outside.ask("POST", path, "publishing", body=body, headers=headers, params=params)

    async def _outsider(self) -> SidecarChannel:
        async with self._going_out:
            if self._outside is None:
                http_port, sidecar = await self._sidecar("outsider", None)
                self._stack.push_async_callback(sidecar.stop)
                outside = SidecarChannel(SidecarSettings(http_address=f"http://127.0.0.1:{http_port}"))
                await outside.start()
                self._outside = outside
        return self._outside


def _around(stores: Stores, storing: Callable[[StateStore], StateStore]) -> Stores:
    def state(component: str) -> StateStore | None:
        store = stores.state(component)
        return None if store is None else storing(store)

    return replace(stores, state=state)


class FakeWorld(DaprWorld):
    """Fake sidecars that share a broker in this process."""

    # This broker tells; what remains is a host that is about to publish.
    idle_seconds = 0.03
    poll_seconds = 0.005

    def __init__(self, settings: HostSettings | None = None) -> None:
        super().__init__(settings)
        self._broker = FakeBroker()

    async def stop(self, host: Host) -> int:
        """The sidecar waits no longer than its app for what is in hand."""
        sidecar = self._sidecars.get(id(host))
        if sidecar is not None:
            await sidecar.stop(min(_GRACE, host.settings.drain_seconds))
        return await super().stop(host)

    async def quiet(self) -> None:
        await self._broker.wait_handled()
        await super().quiet()
        await self._broker.wait_handled()

    async def _sidecar(self, app_id: str, app_port: int | None) -> tuple[int, Sidecar]:
        sidecar = FakeSidecar(self._broker, app_id, app_port, state_stores=(STATE, CLAIMS))
        await sidecar.start()
        self._stack.push_async_callback(sidecar.stop)
        return sidecar.http_port, sidecar


class DaprdWorld(DaprWorld):
    """Real daprds with the components of a profile."""

    def __init__(self, profile: Path, configuration: Path, settings: HostSettings | None = None) -> None:
        super().__init__(settings)
        self.profile = profile
        self.keep_state("state.sqlite", connectionString=str(profile.parent / "conformance.db"), keyPrefix="name")
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
        await sidecar.wait_ready(_START_SECONDS)
        return options.http_port, sidecar

    def keep_state(self, type_: str, **metadata: str) -> None:
        """Keep the world's state in a component of this type; sidecars that are started from now on load it."""
        component = {
            "apiVersion": "dapr.io/v1alpha1",
            "kind": "Component",
            "metadata": {"name": STATE},
            "spec": {
                "type": type_,
                "version": "v1",
                "metadata": [{"name": name, "value": value} for name, value in metadata.items()],
            },
        }
        (self.profile / f"{STATE}.yaml").write_text(yaml.safe_dump(component))


@asynccontextmanager
async def beside_daprd(
    profile: str, folder: Path, settings: HostSettings | None = None, *, state: str = "sqlite", **addresses: str
) -> AsyncIterator[DaprdWorld]:
    """A world of daprds with a shipped profile.

    Args:
        profile: its name.
        folder: where its copy goes.
        settings: of the hosts.
        state: name of the state profile.
        addresses: of its servers, by their names.
    """
    require_daprd()
    components = copy_profile(profile, folder, state=state, **addresses)
    async with DaprdWorld(components, copy_configuration(folder), settings) as world:
        yield world
