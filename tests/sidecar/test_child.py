from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from pillion.errors import ConfigurationError
from pillion.sidecar.child import Child


def python(code: str, lines: list[str] | None = None) -> Child:
    return Child((sys.executable, "-c", code), os.environ, output=None if lines is None else lines.append)


async def test_each_line_of_both_streams_is_handed_over() -> None:
    lines: list[str] = []
    child = python("import sys; print('out', flush=True); print('error', file=sys.stderr)", lines)
    await child.start()
    assert await child.wait() == 0
    assert lines == ["out", "error"]


async def test_the_last_lines_are_remembered() -> None:
    child = python("for i in range(100): print(i)")
    await child.start()
    await child.wait()
    assert child.tail[-1] == "99"
    assert len(child.tail) == 20


async def test_a_line_without_end_does_not_stop_the_reading() -> None:
    child = python("print('x' * 3_000_000); print('after')")
    await child.start()
    await child.wait()
    assert child.tail[-1] == "after"


async def test_it_runs_in_its_folder(tmp_path: Path) -> None:
    child = Child((sys.executable, "-c", "import os; print(os.getcwd())"), os.environ, directory=tmp_path)
    await child.start()
    await child.wait()
    assert child.tail == (str(tmp_path),)


async def started(code: str) -> Child:
    """A child that has said its first word."""
    said = asyncio.Event()
    child = Child((sys.executable, "-uc", code), os.environ, output=lambda _: said.set())
    await child.start()
    await said.wait()
    return child


async def test_what_ignores_sigterm_is_killed() -> None:
    child = await started("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1); signal.pause()")
    assert await child.stop(grace=0.1) == -signal.SIGKILL


async def test_what_it_started_ends_with_it() -> None:
    child = await started("import os, signal; os.fork() or print('ready'); signal.pause()")
    await child.kill()
    # The grandchild holds the pipe open: the reading ends only with it.
    assert child._reading is not None
    assert child._reading.done()


async def test_stopping_what_never_started_is_harmless() -> None:
    assert await python("").stop(grace=1) == 0


def test_a_child_that_was_not_started_has_no_process_id() -> None:
    with pytest.raises(ConfigurationError, match="not started"):
        _ = python("").pid


COUNTING = """
import signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
print(0, flush=True)
signal.sigwait({signal.SIGTERM})
print(1, flush=True)
sys.exit(2 if signal.sigtimedwait({signal.SIGTERM}, 0.3) else 1)
"""


async def test_it_is_asked_to_end_only_once() -> None:
    child = await started(COUNTING)
    child.terminate()
    async with asyncio.timeout(10):
        while "1" not in child.tail:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.01)
    assert await child.stop(grace=10) == 1
