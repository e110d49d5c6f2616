"""Pair: a sidecar and its application, started, stopped and restarted together."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from pillion.cli.drain import LINGERS, drain
from pillion.cli.lines import Lines, log_file
from pillion.cli.profile import missing_servers
from pillion.cli.readiness import until_ready
from pillion.cli.runfile import Entry
from pillion.errors import SidecarUnavailable
from pillion.sidecar.child import Child
from pillion.sidecar.ports import free_port
from pillion.sidecar.process import Daprd, DaprdOptions, find_daprd

# The sidecar waits for the app for up to thirty seconds, and closes within twelve more.
_SIDECAR_GRACE_SECONDS = 45.0
# When the sidecar is gone the app has nothing left to finish.
_APP_GRACE_SECONDS = 10.0


@dataclass(frozen=True)
class Trouble:
    """Something of a pair went wrong by itself: ``part`` is ``sidecar`` or ``app``."""

    part: str
    text: str


class Pair:
    """One entry of the run file at work. Its ports stay the same over restarts.

    Args:
        entry: what to run.
        profiles: folders of components to use, see ``Entry.with_profiles``. The app is told what its sidecar loads as
            ``PILLION_PROFILE``.
        width, number: of its log lines, see ``Lines``.
        trouble: called when the sidecar or the app ends by itself, or the app does not listen within a minute.
    """

    def __init__(
        self, entry: Entry, *, profiles: Sequence[Path], width: int, number: int, trouble: Callable[[Trouble], None]
    ) -> None:
        self.entry = entry
        self.options = _options(entry.with_profiles(profiles))
        self._trouble = trouble
        self.serving = asyncio.Event()
        self._watching: list[asyncio.Task[None]] = []
        directory, app_id = entry.directory, entry.app_id
        self._app_lines = Lines(app_id, width, number, entry.app_log, log_file(directory, app_id, "app"))
        self._daprd_lines = Lines(app_id, width, number, entry.daprd_log, log_file(directory, app_id, "daprd"))
        self._create()

    @property
    def app_id(self) -> str:
        """Dapr's name of the application."""
        return self.entry.app_id

    def row(self) -> tuple[str, ...]:
        """What runs where: app id, app port, ports of Dapr's HTTP and gRPC API, process ids of app and sidecar."""
        options = self.options
        port = str(options.app_port or "-")
        return (
            self.app_id,
            port,
            str(options.http_port),
            str(options.grpc_port),
            str(self._app.pid),
            str(self._daprd.pid),
        )

    async def start(self) -> None:
        """Start the sidecar, wait for its outward side, then start the app.

        Raises:
            SidecarUnavailable: when the sidecar ends or is not ready in time; names the servers that do not answer.
            ConfigurationError: when a program or folder does not exist.
        """
        await self._daprd.start()
        try:
            await self._daprd.wait_ready()
        except SidecarUnavailable as error:
            raise SidecarUnavailable(await self._with_servers(str(error))) from None
        await self._app.start()
        self._watching = [
            asyncio.create_task(self._watch("sidecar", self._daprd)),
            asyncio.create_task(self._watch("app", self._app)),
            asyncio.create_task(self._serve()),
        ]

    async def stop(self) -> None:
        """Let the app finish what it has in hand, stop the sidecar while the app still answers it, then the app."""
        await self.drain()
        if self._app.returncode is None:
            await self._daprd.stop(_SIDECAR_GRACE_SECONDS)
        else:  # whatever it still waits for does not come
            await self._daprd.stop()
        await self._app.stop(_APP_GRACE_SECONDS)

    async def drain(self) -> None:
        """Let the app finish what it has in hand, within its ``PILLION_DRAIN_SECONDS``; see ``drain``."""
        self._forget()
        await drain(self._app, self._address, self._variables())

    async def kill(self) -> None:
        """End both at once."""
        self._forget()
        await self._daprd.kill()
        await self._app.kill()

    async def restart(self) -> None:
        """Stop both and start both: a sidecar asks its app for subscriptions only once in its life."""
        await self.stop()
        self._create()
        await self.start()

    @property
    def _address(self) -> str | None:
        port = self.options.app_port
        return None if port is None else f"{self.entry.app_address}:{port}"

    def _create(self) -> None:
        binary = self.entry.runtime_path and self.entry.runtime_path / ".dapr" / "bin" / "daprd"
        self._daprd = Daprd(self.options, binary=binary or find_daprd(), output=self._daprd_lines)
        variables = self._variables()
        self._app = Child(self.entry.command, variables, directory=self.entry.directory, output=self._app_lines)

    def _variables(self) -> dict[str, str]:
        options = self.options
        ports = {"APP_PORT": options.app_port, "DAPR_METRICS_PORT": options.metrics_port}
        return {
            "PYTHONUNBUFFERED": "1",  # a log line is to be seen when it is written
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",  # `python` is ours
            "APP_ID": self.app_id,
            "APP_CHANNEL_ADDRESS": self.entry.app_address,
            "APP_PROTOCOL": options.app_protocol,
            "DAPR_HTTP_PORT": str(options.http_port),
            "DAPR_GRPC_PORT": str(options.grpc_port),
            **{name: str(port) for name, port in ports.items() if port},
            **self.entry.environment,
            # Last: it has to be what this sidecar loads, whatever the run file says for other starters.
            "PILLION_PROFILE": os.pathsep.join(map(str, options.resources_paths)),
            **LINGERS,
        }

    async def _serve(self) -> None:
        """An app without a port is up at once; any other when its sidecar has reached it and it has started."""
        try:
            if self.options.app_port:
                await self._daprd.wait_serving()
                await self._until_ready()
        except SidecarUnavailable as error:
            if self._daprd.returncode is None:  # else its end is told already
                self._trouble(Trouble("app", f"{error}\nDoes {self.app_id} listen on port {self.options.app_port}?"))
        else:
            self.serving.set()
            click.echo(f"pillion: {self.app_id} is up")

    async def _until_ready(self) -> None:
        if self.options.app_protocol == "http" and self._address is not None:
            await until_ready(self._address, lambda why: click.echo(f"pillion: {self.app_id} is not ready yet: {why}"))

    async def _watch(self, part: str, process: Daprd | Child) -> None:
        code = await process.wait()
        lines = "".join(f"\n  | {line}" for line in process.tail) or "\n  | (no output)"
        text = f"the {part} of {self.app_id} ended with exit code {code}; its last lines:{lines}"
        # A sidecar may say that it is ready, and then find that a server is not there.
        self._trouble(Trouble(part, await self._with_servers(text) if part == "sidecar" else text))

    async def _with_servers(self, text: str) -> str:
        """The text, and which servers of the components do not answer."""
        missing = await asyncio.to_thread(missing_servers, self.options.resources_paths)
        return "\n".join([text, *map(str, missing)])

    def _forget(self) -> None:
        self.serving.clear()
        for task in self._watching:
            task.cancel()
        self._watching = []


def _options(entry: Entry) -> DaprdOptions:
    return DaprdOptions(
        app_id=entry.app_id,
        app_port=entry.app_port,
        app_protocol=entry.app_protocol,
        http_port=entry.http_port or free_port(),
        grpc_port=entry.grpc_port or free_port(),
        internal_grpc_port=entry.internal_grpc_port or free_port(),
        metrics_port=entry.metrics_port,
        resources_paths=entry.resources_paths,
        config_path=entry.config_path,
        api_token=entry.environment.get("DAPR_API_TOKEN"),
        app_token=entry.environment.get("APP_API_TOKEN"),
        log_level=entry.log_level,
        placement=entry.placement,
        scheduler=entry.scheduler,
        flags=entry.flags,
    )
