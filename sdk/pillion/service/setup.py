"""What a service's resources are opened with."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeAlias

from typing_extensions import TypeVar

if TYPE_CHECKING:
    from pillion.secrets import Secrets
    from pillion.state import State

S = TypeVar("S", default=Any)
R = TypeVar("R", default=Any)


@dataclass(frozen=True, slots=True)
class Setup(Generic[S]):
    """What a ``resources`` lifespan may use to open its resources.

    Attributes:
        settings: the service's typed config.
    """

    settings: S
    _secrets: Callable[[], Secrets]
    _state: Callable[[], State]

    @property
    def secrets(self) -> Secrets:
        """The secret store."""
        return self._secrets()

    @property
    def state(self) -> State:
        """The service's state."""
        return self._state()


Lifespan: TypeAlias = Callable[[Setup[S]], AbstractAsyncContextManager[R]]
