"""How long ``import pillion`` takes in a fresh interpreter, and the start of a service with 100 commands."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

from pydantic import create_model

from pillion.bridges.memory.bridge import MemoryBridge
from pillion.runtime.host import Host
from pillion.runtime.stores import Stores
from pillion.service.contract import Contract
from pillion.service.service import Service

ROUNDS = 7
COMMANDS = 100

_IMPORT = "import time; began = time.perf_counter(); import pillion; print(time.perf_counter() - began)"
_START = (
    "import asyncio, logging, structlog; from benchmarks import startup;"
    "structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR));"
    "print(asyncio.run(startup.start()))"
)


async def start() -> float:
    """Seconds from the first declaration to a host that takes work, each command with models of its own."""
    models = [
        (create_model(f"In{n}", name=(str, ...), count=(int, 0)), create_model(f"Out{n}", text=(str, ...)))
        for n in range(COMMANDS)
    ]
    began = time.perf_counter()
    async with Host(_service(models), bridge=MemoryBridge(), stores=Stores(lambda _: None)):
        return time.perf_counter() - began


def _service(models: list[tuple[type, type]]) -> Service:
    contract = Contract("large", version=1)
    service = Service(contract)
    for n, (taken, given) in enumerate(models):
        service.handles(contract.command(f"do{n}", taken, given))(_handler(taken, given))
    return service


def _handler(taken: type, given: type) -> Any:
    async def handle(payload: object) -> object:
        return given(text=str(payload))

    handle.__annotations__ = {"payload": taken, "return": given}
    return handle


def _best(program: str) -> float:
    runs = (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        for _ in range(ROUNDS)
    )
    return min(float(ran.stdout) for ran in runs)


def measure() -> dict[str, float]:
    """Measure and print; both in seconds, best of seven fresh interpreters."""
    found = {"import_s": round(_best(_IMPORT), 3), "start_100_commands_s": round(_best(_START), 3)}
    print(f"import pillion: {found['import_s']} s; start of {COMMANDS} commands: {found['start_100_commands_s']} s")
    return found


if __name__ == "__main__":
    measure()
