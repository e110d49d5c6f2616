"""``pillion run``: services, and a gateway if there is one, in this process."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import click

from pillion.cli.target import Face, Targets, load_targets
from pillion.errors import PillionError
from pillion.runtime.assembly import assemble
from pillion.runtime.environment import host_settings
from pillion.runtime.host import Host
from pillion.runtime.settings import HostSettings
from pillion.telemetry.logs import configure, host_logger

FAILED = 1
CUT_OFF = 3
_MARGIN_SECONDS = 5.0


@click.command(name="run")
@click.argument("targets", metavar="MODULE:ATTR...", nargs=-1, required=True)
@click.option("--bridge", type=click.Choice(["memory", "dapr"]), help="Default: dapr beside a sidecar, else memory.")
@click.option("--profile", type=click.Path(path_type=Path), metavar="DIR", help="Folder of Dapr component YAML.")
@click.option("--app-id", "app", metavar="NAME", help="Name of this process. Default: APP_ID, else the service's.")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Serve /healthz and /readyz here. Default: APP_PORT beside a sidecar."
)
@click.option("--reload", is_flag=True, help="Restart when Python files below the working directory change.")
@click.option("--log-format", type=click.Choice(["auto", "json", "text"]), default="auto", show_default=True)
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True
)
@click.pass_context
def command(
    context: click.Context, /, targets: tuple[str, ...], reload: bool, log_format: Any, log_level: str, **given: Any
) -> None:
    """Run services in this process until Ctrl-C or SIGTERM, then finish what is in hand.

    A second signal ends it at once. Settings come from PILLION_… variables too, for example PILLION_DRAIN_SECONDS=10
    or PILLION_COMMANDS=invocation. Exit codes: 0 stopped, 1 could not start, 2 wrong declaration or configuration, 3
    stopped with work cut off by the drain limit.

    \b
    Examples:
      pillion run hello:greeter
      pillion run services.orders.service:service services.payments.service:service --profile components/local
      pillion run hello:greeter --port 8000 --reload
    """  # noqa: D301 - click's mark: keep these lines
    settings = host_settings(**given)
    if reload:
        context.exit(_reloading(settings.drain_seconds))
    configure(form=log_format, level=log_level)
    context.exit(run_loop(_run(load_targets(targets), settings)))


def run_loop(main: Coroutine[Any, Any, int]) -> int:
    """Run a coroutine on the fastest event loop there is."""
    if sys.platform == "win32":
        return asyncio.run(main)
    import uvloop  # noqa: PLC0415 - not there on Windows

    return uvloop.run(main)


async def _run(targets: Targets, settings: HostSettings) -> int:
    services, faces = targets
    stopping = _stop_on_signals()
    host = assemble(services, settings, os.environ)
    starting = asyncio.ensure_future(_start(host, faces))
    try:
        await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
        started = await _outcome(starting, host.app)
        if started:
            await stopping
    finally:
        host.withdraw()
        cut_off = sum([await face.stop() or 0 for face in reversed(faces)])
        cut_off += await host.stop()
    if not started and not stopping.done():
        return FAILED
    return CUT_OFF if cut_off else 0


async def _outcome(starting: asyncio.Future[None], app: str) -> bool:
    """Whether it started. Not when a signal came first, nor when a service's own code raised, which the log has then.

    Raises:
        PillionError: declarations or configuration are wrong.
    """
    starting.cancel()
    try:
        await starting
    except asyncio.CancelledError:
        return False
    except PillionError:
        raise
    except Exception as error:  # noqa: BLE001 - a lifespan is somebody's code, which may raise anything
        host_logger(app).exception("could not start", reason=f"{type(error).__name__}: {error}")
        return False
    return True


async def _start(host: Host, faces: list[Face]) -> None:
    await host.start()
    for face in faces:
        await face.start(host)


def _stop_on_signals() -> asyncio.Future[None]:
    """Done at the first signal; the second one ends the process at once."""
    loop = asyncio.get_running_loop()
    stopping: asyncio.Future[None] = loop.create_future()

    def stop(number: signal.Signals) -> None:
        if stopping.done():
            os._exit(128 + number)
        stopping.set_result(None)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    return stopping


def _reloading(drain_seconds: float) -> int:
    """Run this command without --reload in a child that is restarted on changes."""
    from pillion.cli.reload import run_reloading  # noqa: PLC0415 - only needed here

    arguments = [argument for argument in sys.argv[1:] if argument != "--reload"]
    return asyncio.run(run_reloading(arguments, Path.cwd(), drain_seconds + _MARGIN_SECONDS))
