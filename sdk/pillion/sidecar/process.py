"""Daprd: a Dapr sidecar as a child process, on loopback only and with the settings that lose no message."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import aiohttp

from pillion.errors import ConfigurationError, SidecarUnavailable
from pillion.sidecar.child import Child
from pillion.sidecar.ports import free_port

_POLL_SECONDS = 0.02

# A stopping daprd drops the batches in hand, waits for what it brought singly for up to thirty seconds, lets the app
# publish for two more, then closes within ten.
_DRAIN_FLAGS = ("--dapr-block-shutdown-duration", "2s", "--dapr-graceful-shutdown-seconds", "10")
_DRAIN_LIMIT_SECONDS = 15.0


def find_daprd(environ: Mapping[str, str] = os.environ) -> Path:
    """The daprd binary to use.

    Looked for in this order: ``$DAPRD``; the newest version that ``make dapr`` built (below ``$PILLION_CACHE``, default
    ``~/.cache/pillion``); ``$DAPR_RUNTIME_PATH/.dapr/bin``; ``~/.dapr/bin``, where ``dapr init`` puts it; ``$PATH``.

    Raises:
        ConfigurationError: when there is none, or ``$DAPRD`` names something that is no program.
    """
    chosen = environ.get("DAPRD")
    if chosen:
        if not _is_program(Path(chosen)):
            raise ConfigurationError(f"DAPRD={chosen} is no program; let it name a daprd binary, or unset it")
        return Path(chosen)
    found = next(filter(_is_program, _candidates(environ)), None)
    if found is None:
        raise ConfigurationError(
            "no daprd found; build it with `make dapr`, install Dapr with `dapr init --slim`, or set DAPRD to its path"
        )
    return found


def _candidates(environ: Mapping[str, str]) -> Iterator[Path]:
    home = Path(environ.get("HOME") or Path.home())
    cache = Path(environ.get("PILLION_CACHE") or home / ".cache" / "pillion")
    yield from sorted(cache.glob("dapr/*/daprd"), key=lambda path: _version_of(path.parent.name), reverse=True)
    if runtime := environ.get("DAPR_RUNTIME_PATH"):
        yield Path(runtime) / ".dapr" / "bin" / "daprd"
    yield home / ".dapr" / "bin" / "daprd"
    if on_path := shutil.which("daprd", path=environ.get("PATH", "")):
        yield Path(on_path)


def _version_of(name: str) -> tuple[int, ...]:
    return tuple(int(part) for part in name.split(".") if part.isdigit())


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


@dataclass(frozen=True, kw_only=True)
class DaprdOptions:
    """What one daprd is started with. Ports that are not given are free ones.

    Attributes:
        app_id: Dapr's name for the application.
        app_port: where the application listens on 127.0.0.1; None when it only calls out.
        app_protocol: http, https, h2c, grpc or grpcs.
        http_port: Dapr's HTTP API.
        grpc_port: Dapr's gRPC API.
        internal_grpc_port: calls between sidecars.
        metrics_port: Prometheus metrics; None (the default) switches them off.
        resources_paths: folders of component, subscription and resiliency YAML.
        config_path: Configuration YAML.
        api_token: what clients of this sidecar have to present. None: what the environment says.
        app_token: what this sidecar presents to the application. None: what the environment says.
        environment: variables on top of this process's own.
        log_level: debug, info, warn, error or fatal.
        placement: host:port of the placement service; empty for none (no actors, no workflows).
        scheduler: host:port of the scheduler service; empty for none (no jobs).
        flags: further flags of daprd; they win over all of the above.
    """

    app_id: str
    app_port: int | None = None
    app_protocol: str = "http"
    http_port: int = field(default_factory=free_port)
    grpc_port: int = field(default_factory=free_port)
    internal_grpc_port: int = field(default_factory=free_port)
    metrics_port: int | None = None
    resources_paths: tuple[Path, ...] = ()
    config_path: Path | None = None
    api_token: str | None = field(default=None, repr=False)
    app_token: str | None = field(default=None, repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    log_level: str = "info"
    placement: str = ""
    scheduler: str = ""
    flags: tuple[str, ...] = ()

    @property
    def endpoint(self) -> str:
        """Base address of Dapr's HTTP API."""
        return f"http://127.0.0.1:{self.http_port}"

    def arguments(self) -> tuple[str, ...]:
        """The command line, without the program."""
        return (
            *("--app-id", self.app_id, "--app-protocol", self.app_protocol, "--log-level", self.log_level),
            *(("--app-port", str(self.app_port)) if self.app_port else ()),
            *("--dapr-http-port", str(self.http_port), "--dapr-grpc-port", str(self.grpc_port)),
            *("--dapr-internal-grpc-port", str(self.internal_grpc_port)),
            *("--dapr-listen-addresses", "127.0.0.1", "--dapr-internal-grpc-listen-address", "127.0.0.1"),
            *self._metrics(),
            *(part for path in self.resources_paths for part in ("--resources-path", str(path))),
            *(("--config", str(self.config_path)) if self.config_path else ()),
            *("--placement-host-address", self.placement, "--scheduler-host-address", self.scheduler),
            *_DRAIN_FLAGS,
            *self.flags,
        )

    def variables(self, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
        """The environment, on top of ``environ``; without DAPR_HOST_IP daprd gives up on a machine without network."""
        tokens = {"DAPR_API_TOKEN": self.api_token, "APP_API_TOKEN": self.app_token}
        given = {name: token for name, token in tokens.items() if token is not None}
        return {"DAPR_HOST_IP": "127.0.0.1", **environ, **self.environment, **given}

    def _metrics(self) -> tuple[str, ...]:
        if self.metrics_port is None:
            return ("--enable-metrics=false",)
        return ("--metrics-port", str(self.metrics_port), "--metrics-listen-address", "127.0.0.1")


class Daprd:
    """A sidecar process: ``start()``, ``wait_ready()``, then ``stop()`` or ``kill()``.

    Used with ``async with``, it is ready inside the block and stopped after it.

    Args:
        options: ports, folders, tokens.
        binary: the program; ``find_daprd()`` by default.
        output: called with each line of its log.
    """

    def __init__(
        self, options: DaprdOptions, *, binary: Path | None = None, output: Callable[[str], None] | None = None
    ) -> None:
        self.options = options
        argv = (str(binary or find_daprd()), *options.arguments())
        self._child = Child(argv, options.variables(), output=output)

    @property
    def pid(self) -> int:
        """Process id, once started."""
        return self._child.pid

    @property
    def returncode(self) -> int | None:
        """Exit code; negative for a signal, None while it runs or before it was started."""
        return self._child.returncode

    @property
    def tail(self) -> tuple[str, ...]:
        """The last lines of its log."""
        return self._child.tail

    async def start(self) -> None:
        """Start the process; returns before it is ready."""
        await self._child.start()

    async def wait_ready(self, within: float = 30.0) -> None:
        """Wait until publish, state and invocation work (outbound health), for ``within`` seconds.

        The application need not listen yet: daprd waits for it without end, with its outward side in service.

        Raises:
            SidecarUnavailable: when it ends or is not ready in time; the text has the last lines of its log.
        """
        await self._wait_for("/v1.0/healthz/outbound", "ready", within)

    async def wait_serving(self, within: float = 60.0) -> None:
        """Wait until it has also reached its application and read its subscriptions (health).

        Never wait for this in the application itself before it listens.

        Raises:
            SidecarUnavailable: as ``wait_ready``.
        """
        await self._wait_for(f"/v1.0/healthz?appid={self.options.app_id}", "serving its application", within)

    async def wait(self) -> int:
        """Wait for its end; returns the exit code."""
        return await self._child.wait()

    async def stop(self, grace: float = _DRAIN_LIMIT_SECONDS) -> int:
        """SIGTERM, wait for it to drain for up to ``grace`` seconds, then SIGKILL; returns the exit code.

        What its application has in hand by then comes again, if it was brought in a batch: let that finish first. What
        was brought singly is waited for, so the application has to answer until this returns.
        """
        return await self._child.stop(grace)

    async def kill(self) -> int:
        """SIGKILL: nothing is drained; returns the exit code."""
        return await self._child.kill()

    async def __aenter__(self) -> Self:
        await self.start()
        try:
            await self.wait_ready()
        except BaseException:
            await self.kill()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _wait_for(self, path: str, state: str, within: float) -> None:
        ended = asyncio.create_task(self._child.wait())
        ready = asyncio.create_task(self._answer(path))
        try:
            await asyncio.wait({ended, ready}, timeout=within, return_when=asyncio.FIRST_COMPLETED)
            if ended.done() or not ready.done():
                what = f"ended with exit code {self.returncode}" if ended.done() else f"not {state} after {within:g} s"
                raise SidecarUnavailable(_report(self.options.app_id, what, self.tail))
        finally:
            ended.cancel()
            ready.cancel()
            await asyncio.gather(ended, ready, return_exceptions=True)

    async def _answer(self, path: str) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
            while not await _is_success(session, self.options.endpoint + path):  # noqa: ASYNC110 - no event: another process
                await asyncio.sleep(_POLL_SECONDS)


async def _is_success(session: aiohttp.ClientSession, address: str) -> bool:
    try:
        async with session.get(address) as answer:
            return answer.ok
    except (aiohttp.ClientError, TimeoutError):
        return False


def _report(app_id: str, what: str, tail: tuple[str, ...]) -> str:
    lines = "".join(f"\n  | {line}" for line in tail) or "\n  | (no output)"
    return f"daprd of {app_id!r}: {what}; its last lines say why:{lines}"
