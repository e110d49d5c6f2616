"""Fleet: all pairs of a run file, from start to stop, with one queue of what happens to them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from watchfiles import PythonFilter, awatch

from pillion.cli.pair import Pair, Trouble
from pillion.cli.runfile import Entry
from pillion.errors import PillionError, SidecarUnavailable

_HEADINGS = ("APP", "APP PORT", "DAPR HTTP", "DAPR GRPC", "PID", "SIDECAR PID")


class Fleet:
    """Runs the entries until a signal comes or one of them dies.

    Args:
        entries: what to run.
        profiles: folders of components to use, see ``Entry.with_profiles``.
        reload: restart an entry when its code changes; an app that dies then waits for the next change.
    """

    def __init__(self, entries: Sequence[Entry], *, profiles: Sequence[Path] = (), reload: bool = False) -> None:
        self._happenings: asyncio.Queue[Trouble | set[Path] | BaseException | None] = asyncio.Queue()
        self._reload = reload
        width = max(len(entry.app_id) for entry in entries)
        self._pairs = [
            Pair(entry, profiles=profiles, width=width, number=number, trouble=self._happenings.put_nowait)
            for number, entry in enumerate(entries)
        ]

    async def run(self) -> int:
        """Start all, wait, stop all; returns the exit code: 0 after a signal, 1 when something died."""
        with self._signals():
            working = asyncio.create_task(self._work())
            try:
                return await self._follow(working)
            finally:
                working.cancel()
                await asyncio.wait({working})
                await self._stop()

    async def _work(self) -> None:
        # One sidecar after another: two that create the same name-resolution file at once lock each other out.
        for pair in self._pairs:
            try:
                await pair.start()
            except SidecarUnavailable as error:
                self._happenings.put_nowait(Trouble("sidecar", str(error)))
                return
        async with asyncio.TaskGroup() as group:
            group.create_task(self._announce())
            if self._reload:
                group.create_task(self._watch_files())

    async def _follow(self, working: asyncio.Task[None]) -> int:
        working.add_done_callback(self._pass_on)
        while (happening := await self._happenings.get()) is not None:
            if isinstance(happening, BaseException):
                raise happening
            if isinstance(happening, set):
                await self._restart(happening)
                continue
            _complain(happening.text)
            if not (self._reload and happening.part == "app"):
                return 1
            click.echo("pillion: waiting for a change of its code")
        return 0

    def _pass_on(self, working: asyncio.Task[None]) -> None:
        if not working.cancelled() and (error := working.exception()):
            self._happenings.put_nowait(error)

    async def _announce(self) -> None:
        for pair in self._pairs:
            await pair.serving.wait()
        click.echo(_table([pair.row() for pair in self._pairs]))

    async def _stop(self) -> None:
        click.echo("pillion: stopping")
        stopping = asyncio.create_task(self._stop_all())
        again = asyncio.create_task(self._second_signal())
        await asyncio.wait({stopping, again}, return_when=asyncio.FIRST_COMPLETED)
        if not stopping.done():
            click.echo("pillion: killed before everything had stopped")
            await asyncio.gather(*(pair.kill() for pair in self._pairs))
        again.cancel()
        await stopping

    async def _stop_all(self) -> None:
        # All first: what one has in hand may call another.
        await asyncio.gather(*(pair.drain() for pair in self._pairs))
        await asyncio.gather(*(pair.stop() for pair in self._pairs))

    async def _second_signal(self) -> None:
        while await self._happenings.get() is not None:
            pass

    async def _restart(self, changed: set[Path]) -> None:
        pairs = [pair for pair in self._pairs if _is_touched(pair.entry, changed)]
        files = ", ".join(sorted(_short(path) for path in changed))
        click.echo(f"pillion: {files} changed, restarting {', '.join(pair.app_id for pair in pairs)}")
        try:
            await asyncio.gather(*(pair.restart() for pair in pairs))
        except PillionError as error:
            _complain(str(error))

    async def _watch_files(self) -> None:
        roots = {root for pair in self._pairs for root in roots_of(pair.entry)}
        async for changes in awatch(*roots, watch_filter=PythonFilter(), debounce=400):
            self._happenings.put_nowait({Path(path) for _, path in changes})

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        for number in numbers:
            loop.add_signal_handler(number, self._happenings.put_nowait, None)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)


def roots_of(entry: Entry) -> tuple[Path, ...]:
    """The folders an entry's code is in: its own, and what its ``PYTHONPATH`` names."""
    path = entry.environment.get("PYTHONPATH", os.environ.get("PYTHONPATH", ""))
    folders = (entry.directory / name for name in path.split(os.pathsep) if name)
    return (entry.directory, *(folder.resolve() for folder in folders if folder.is_dir()))


def _is_touched(entry: Entry, changed: set[Path]) -> bool:
    return any(path.is_relative_to(root) for root in roots_of(entry) for path in changed)


def _complain(text: str) -> None:
    click.secho(f"pillion: {text}", fg="red", err=True)


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    lines = [_HEADINGS, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADINGS))]
    text = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines)
    return "\n".join(("pillion: all are ready; Ctrl-C stops them", *text))
