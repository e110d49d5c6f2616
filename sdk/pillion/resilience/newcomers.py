"""Which messages nobody can have handled before, so that nobody need ask a store about them."""

from __future__ import annotations

from collections.abc import Callable


class Newcomers:
    """Messages that this process made, later than every one that it has begun to handle.

    Good for a process that is alone with its messages. Where another had them meanwhile, it may be wrong; then whoever
    writes what came of a message finds that out.

    Args:
        number: the how manieth an id is of those that this process made; 0 when somebody else made it.
    """

    def __init__(self, number: Callable[[str], int]) -> None:
        self._number = number
        self._highest: dict[str, int] = {}

    def begin(self, name: str) -> bool:
        """An execution of this name begins; whether it is sure to be the first.

        Args:
            name: as ``execution_name`` makes it.
        """
        scope, _, id_ = name.rpartition(":")
        number = self._number(id_)
        if number <= self._highest.get(scope, 0):
            return False
        self._highest[scope] = number
        return True
