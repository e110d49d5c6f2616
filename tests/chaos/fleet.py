"""The running business: an app and a sidecar for each service, which can be killed and started again one by one."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from pillion.cli.drain import LINGERS, drain
from pillion.sidecar.channel import SidecarChannel
from pillion.sidecar.child import Child
from pillion.sidecar.ports import free_port
from pillion.sidecar.process import Daprd, DaprdOptions
from pillion.sidecar.settings import SidecarSettings
from pillion.state import State
from pillion.stores.dapr.state import DaprStateStore
from tests.chaos.business.contract import Page

ROOT = Path(__file__).parents[2]
_AWAY_SECONDS = 1.0
_APP_STOP_SECONDS = 30.0
_DRAIN_MARGIN_SECONDS = 25.0


class Surroundings(NamedTuple):
    """What all apps and sidecars of a run share.

    Attributes:
        folder: for logs.
        components: folder of Dapr's YAML.
        configuration: Dapr's Configuration.
        environment: variables of every app.
    """

    folder: Path
    components: Path
    configuration: Path
    environment: Mapping[str, str]


class Pair:
    """One instance of a service: its app and its sidecar, each of which may be killed and started again.

    An app that kills itself with SIGKILL is started again a second later, without the strikes it had.

    Args:
        service: its name, also the app id.
        target: ``MODULE:ATTR`` of the service.
        around: what it shares with the others.
        strikes: variables that make this app misbehave.
        struck: called when the app has killed itself, with the service's name.
    """

    def __init__(
        self,
        service: str,
        target: str,
        around: Surroundings,
        strikes: Mapping[str, str],
        struck: Callable[[str], None],
    ) -> None:
        self.service = service
        self._target = target
        self._around = around
        self._strikes = dict(strikes)
        self._struck = struck
        self._options = DaprdOptions(
            app_id=service,
            app_port=free_port(),
            resources_paths=(around.components,),
            config_path=around.configuration,
            log_level="warn",
        )
        self._name = f"{service}-{self._options.app_port}"
        self._sidecar: Daprd | None = None
        self._app: Child | None = None
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start both; returns when messages are delivered."""
        await self.start_sidecar()
        await self.start_app()
        assert self._sidecar is not None
        await self._sidecar.wait_serving()

    async def start_sidecar(self) -> None:
        """Start the sidecar; returns when it can be called."""
        self._sidecar = Daprd(self._options, output=self._log("daprd"))
        await self._sidecar.start()
        await self._sidecar.wait_ready()

    async def start_app(self) -> None:
        """Start the app, with the strikes it still has."""
        options = self._options
        ports = {"APP_ID": self.service, "APP_PORT": f"{options.app_port}", "DAPR_HTTP_PORT": f"{options.http_port}"}
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        variables = {**os.environ, **self._around.environment, **self._strikes, **ports, **LINGERS, "PYTHONPATH": path}
        argv = [sys.executable, "-m", "tests.chaos.app", self._target]
        self._app = Child(argv, variables, output=self._log("app"))
        await self._app.start()
        self._watching = asyncio.create_task(self._watch(self._app))

    async def kill_sidecar(self) -> None:
        """SIGKILL; nothing is drained."""
        assert self._sidecar is not None
        await self._sidecar.kill()

    async def kill_app(self) -> None:
        """SIGKILL; nothing is drained."""
        await self._forget()
        assert self._app is not None
        await self._app.kill()

    async def stop(self) -> None:
        """In good order: what the app has in hand, the sidecar while its app still answers, then the app."""
        assert self._sidecar is not None
        assert self._app is not None
        await self._forget()
        await drain(self._app, f"127.0.0.1:{self._options.app_port}", self._around.environment)
        await self._sidecar.stop()
        await self._app.stop(_APP_STOP_SECONDS)

    async def end(self) -> None:
        """Kill whatever of it runs."""
        await self._forget()
        for process in (self._app, self._sidecar):
            if process is not None:
                await process.kill()

    async def pages(self, keys: list[str]) -> dict[str, Page]:
        """What its service remembers under these keys, read through its sidecar."""
        channel = SidecarChannel(SidecarSettings(http_address=self._options.endpoint))
        await channel.start()
        try:
            store = DaprStateStore(channel, f"{self.service}-state")
            await store.start()
            found: dict[str, Page] = {}
            for start in range(0, len(keys), 500):
                found |= await State(store).of(Page).get_many(keys[start : start + 500])
            return found
        finally:
            await channel.close()

    async def _watch(self, app: Child) -> None:
        code = await app.wait()
        if code != -signal.SIGKILL:
            return
        self._struck(self.service)
        self._strikes.clear()
        await asyncio.sleep(_AWAY_SECONDS)
        self._watching = None  # this task goes on as the new app's starter
        await self.start_app()

    async def _forget(self) -> None:
        """Do not start the app again when it ends."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
            self._watching = None

    def _log(self, what: str) -> Callable[[str], None]:
        path = self._around.folder / f"{self._name}-{what}.log"

        def write(line: str) -> None:
            with path.open("a") as file:
                file.write(f"{time.time():.3f} {line}\n")

        return write
