"""Runs the command line in this process, and as a process of its own."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from typing import NamedTuple

import structlog
from click.testing import CliRunner, Result

from pillion.cli.main import main

_SIDECAR = ("DAPR_HTTP_PORT", "DAPR_HTTP_ENDPOINT", "DAPR_GRPC_PORT", "DAPR_GRPC_ENDPOINT")


def invoke(*arguments: str, stdin: str = "", **environ: str) -> Result:
    """The command line in this process; log settings are afterwards what they were."""
    root, configured = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    try:
        return CliRunner(env={**dict.fromkeys(_SIDECAR), **environ}).invoke(main, list(arguments), input=stdin)
    finally:
        structlog.configure(**configured)
        root.handlers[:] = handlers
        root.setLevel(level)


class Finished(NamedTuple):
    code: int
    out: str
    err: str


async def run(*arguments: str) -> Finished:
    """The command line as a process, while the event loop goes on."""
    environ = {name: value for name, value in os.environ.items() if name not in _SIDECAR}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pillion", *arguments),
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return Finished(process.returncode or 0, out.decode(), err.decode())
