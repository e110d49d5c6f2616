"""A service whose weak subscription fails while it is broken, and whose strong one never does."""

from __future__ import annotations

from pathlib import Path

from pillion.outcome import Retry
from pillion.service.contract import Contract
from pillion.service.service import Service

told = Contract("fragile-source").event("told", int)

_SQLITE = """
apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: fragile-state
spec:
  type: state.sqlite
  version: v1
  metadata:
    - name: connectionString
      value: {file}
"""


def fragile(handled: list[str], *, broken: bool, version: int = 1) -> Service:
    """The service, in good or in bad health; what it handles goes to ``handled``."""
    made = Service("fragile", version=version)

    @made.on(told, retry=Retry(attempts=2, backoff="1ms..1ms"))
    async def weak(number: int) -> None:
        if broken:
            raise ValueError("not today")
        handled.append(f"weak {number}")

    @made.on(told)
    async def strong(number: int) -> None:
        handled.append(f"strong {number}")

    return made


def state_in(folder: Path) -> Path:
    """The folder, with a component that keeps the service's state in a file there."""
    (folder / "state.yaml").write_text(_SQLITE.format(file=folder / "state.db"))
    return folder


service = fragile([], broken=True)
service2 = fragile([], broken=True, version=2)
