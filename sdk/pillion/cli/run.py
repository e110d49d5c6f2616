"""``pillion run``: services, and a gateway if there is one, in this process."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
from pathlib import Path
from typing import Any

import click

from pillion.cli.target import Face, Targets, load_targets
from pillion.runtime.assembly import assemble
from pillion.runtime.environment import host_settings
from pillion.runtime.host import Host
from pillion.runtime.settings import HostSettings
from pillion.telemetry.logs import configure

CUT_OFF = 3


@click.command(name="run")
@click.argument("targets", metavar="MODULE:ATTR...", nargs=-1, required=True)
@click.option("--bridge", type=click.Choice(["memory", "dapr"]), help="Default: dapr beside a sidecar, else memory.")
@click.option("--profile", type=click.Path(path_type=Path), metavar="DIR", help="Folder of Dapr component YAML.")
@click.option("--app", metavar="NAME", help="Name of this process. Default: the service's.")
@click.option("--port", type=click.IntRange(0, 65535), help="Serve /healthz and /readyz here. Default: APP_PORT.")
@click.option("--reload", is_flag=True, help="Restart when Python files below the working directory change.")
@click.option("--log-format", type=click.Choice(["auto", "json", "text"]), default="auto", show_default=True)
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True)
@click.pass_context
def command(
    context: click.Context, targets: tuple[str, ...], reload: bool, log_format: Any, log_level: str, **given: Any
) -> None:
    """Run services in this process until Ctrl-C or SIGTERM, then finish what is in hand.

    Settings come from PILLION_… variables too, for example PILLION_DRAIN_SECONDS=10 or PILLION_COMMANDS=invocation.
    Exit codes: 0 stopped, 2 wrong declaration or configuration, 3 stopped with work cut off by the drain limit.

    \b
    Examples:
      pillion run hello:greeter
      pillion run services.orders.service:service services.payments.service:service --profile components/local
      pillion run hello:greeter --port 8000 --reload
    """  # noqa: D301 - click's mark: keep these lines
    if reload:
        context.exit(_reloading())
    configure(form=log_format, level=log_level)
    loaded = load_targets(targets)
    context.exit(run_loop(_run(loaded, host_settings(**given))))


def run_loop(main: Any) -> int:
    """Run a coroutine on the fastest event loop there is."""
    if sys.platform == "win32":
        return int(asyncio.run(main))
    import uvloop  # noqa: PLC0415 - not there on Windows

    return int(uvloop.run(main))


async def _run(targets: Targets, settings: HostSettings) -> int:
    services, faces = targets
    host = assemble(services, settings, os.environ)
    stopping = _stop_on_signals()
    starting = asyncio.ensure_future(_start(host, faces))
    await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
    try:
        await starting
        await stopping
    except asyncio.CancelledError:
        return 0
    finally:
        for face in reversed(faces):
            await face.stop()
        cut_off = await host.stop()
    return CUT_OFF if cut_off else 0


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


def _reloading() -> int:
    """Run this command without --reload in a child that is restarted on changes."""
    from watchfiles import run_process  # noqa: PLC0415 - only needed here

    arguments = [argument for argument in sys.argv[1:] if argument != "--reload"]
    child = shlex.join([sys.executable, "-m", "pillion", *arguments])
    return 0 if run_process(Path.cwd(), target=child, target_type="command") >= 0 else 1
