"""Runs a command again whenever Python files below a folder change."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import click
from watchfiles import PythonFilter, awatch

from pillion.errors import ConfigurationError

_DEBOUNCE_MILLISECONDS = 200


async def run_reloading(arguments: Sequence[str], folder: Path, grace: float) -> int:
    """Run ``python -m pillion`` with these arguments until a signal comes.

    Args:
        arguments: after ``python -m pillion``.
        folder: where changes are looked for.
        grace: seconds that the child has to stop; then it is killed. A second signal kills it at once.

    Returns:
        The exit code of the last child.
    """
    child, stop = _Child(arguments, grace), asyncio.Event()
    _on_signals(child, stop)
    await child.start()
    async for changes in awatch(
        folder, watch_filter=PythonFilter(), debounce=_DEBOUNCE_MILLISECONDS, stop_event=stop, raise_interrupt=False
    ):
        names = ", ".join(sorted(_short(Path(path), folder) for _, path in changes))
        click.echo(f"pillion: {names} changed, restarting", err=True)
        await child.stop()
        if stop.is_set():
            break
        await child.start()
    return await child.stop()


class _Child:
    """The process, out of reach of the terminal's Ctrl-C, which would be a second signal to it."""

    def __init__(self, arguments: Sequence[str], grace: float) -> None:
        self._arguments = (sys.executable, "-m", "pillion", *arguments)
        self._grace = grace
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        try:
            self._process = await asyncio.create_subprocess_exec(*self._arguments, start_new_session=True)
        except OSError as error:
            raise ConfigurationError(f"{self._arguments[0]!r} cannot be started: {error}") from error

    async def stop(self) -> int:
        process = self._process
        if process is None:
            return 0
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), self._grace)
            except TimeoutError:
                self.kill()
        return await process.wait()

    def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()


def _on_signals(child: _Child, stop: asyncio.Event) -> None:
    def on_signal() -> None:
        if stop.is_set():
            child.kill()
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)


def _short(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)
