"""A state store that cannot be reached now and then, as behind a sidecar that restarts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pillion.errors import SidecarUnavailable
from pillion.ports.store import Change, StateItem
from pillion.stores.memory import MemoryStateStore


class UnsteadyStore(MemoryStateStore):
    """Refuses everything while ``down``.

    Attributes:
        refused: set when something was.
    """

    def __init__(self) -> None:
        super().__init__()
        self.down = False
        self.refused = asyncio.Event()

    async def get(self, keys: Sequence[str]) -> dict[str, StateItem]:
        self._answer()
        return await super().get(keys)

    async def write(self, changes: Sequence[Change]) -> None:
        self._answer()
        await super().write(changes)

    async def transact(self, changes: Sequence[Change]) -> None:
        self._answer()
        await super().transact(changes)

    def _answer(self) -> None:
        if self.down:
            self.refused.set()
            raise SidecarUnavailable("the sidecar is away")
