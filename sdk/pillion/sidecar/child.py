"""Child: one process of ours, in a process group of its own, whose output is read line by line."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pillion.errors import ConfigurationError

_REMEMBERED_LINES = 20
_LONGEST_LINE = 1 << 20


class Child:
    """A process, started once.

    The group of its own keeps a terminal's Ctrl-C away from it: whoever started it decides in which order things stop.

    Args:
        argv: program and arguments.
        environment: its whole environment.
        directory: its working directory; ours by default.
        output: called with each line of its output (stdout and stderr together), without the line end.
    """

    def __init__(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str],
        *,
        directory: Path | None = None,
        output: Callable[[str], None] | None = None,
    ) -> None:
        self._argv = tuple(argv)
        self._environment = dict(environment)
        self._directory = directory
        self._output = output
        self._lines: deque[str] = deque(maxlen=_REMEMBERED_LINES)
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._asked = False

    @property
    def pid(self) -> int:
        """Process id.

        Raises:
            ConfigurationError: when it was not started.
        """
        return self._started().pid

    @property
    def returncode(self) -> int | None:
        """Exit code; negative for a signal, None while it runs or before it was started."""
        return self._process.returncode if self._process else None

    @property
    def tail(self) -> tuple[str, ...]:
        """Its last lines, 20 at most."""
        return tuple(self._lines)

    async def start(self) -> None:
        """Start the process.

        Raises:
            ConfigurationError: when the program or the directory does not exist or cannot be run.
        """
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._argv,
                env=self._environment,
                cwd=self._directory,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                limit=_LONGEST_LINE,
                start_new_session=True,
            )
        except OSError as error:
            raise ConfigurationError(f"{self._argv[0]!r} cannot be started: {error}") from error
        self._reading = asyncio.create_task(self._read())

    async def wait(self) -> int:
        """Wait for its end, and for its last lines; returns the exit code."""
        code = await self._started().wait()
        if self._reading:
            # A grandchild may hold the pipe open for as long as it likes.
            await asyncio.wait({self._reading}, timeout=1)
        return code

    def terminate(self) -> None:
        """SIGTERM to the group, only once: a second one often means at once. Harmless when it does not run."""
        if self._process and self._process.returncode is None and not self._asked:
            self._asked = True
            self._signal(signal.SIGTERM)

    async def stop(self, grace: float) -> int:
        """SIGTERM to the group if it did not get one, wait ``grace`` seconds, then SIGKILL; returns the exit code.

        Harmless when it has ended or was never started (then 0).
        """
        self.terminate()
        if self._process and self._process.returncode is None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), grace)
        return await self.kill()

    async def kill(self) -> int:
        """SIGKILL to the group, also to what an ended process left behind; returns the exit code (0: never started)."""
        if self._process is None:
            return 0
        self._signal(signal.SIGKILL)
        return await self.wait()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def _started(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise ConfigurationError(f"{self._argv[0]!r} is not started; call start() first")
        return self._process

    async def _read(self) -> None:
        reader = self._started().stdout
        while reader:
            try:
                line = await reader.readline()
            except ValueError:  # longer than the limit: the reader has thrown it away
                line = b"(a line longer than 1 MiB was left out)\n"
            if not line:
                return
            text = line.decode(errors="replace").rstrip("\r\n")
            self._lines.append(text)
            if self._output:
                self._output(text)
