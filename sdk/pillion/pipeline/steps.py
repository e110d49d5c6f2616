"""The shape of the stages: a context goes in, an outcome comes back."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeAlias

from pillion.context import Context
from pillion.errors import StoreError
from pillion.outcome import Outcome
from pillion.pipeline.facilities import Facilities
from pillion.pipeline.outbound import Outbound
from pillion.pipeline.scope import Provisions
from pillion.resilience.retries import Retries
from pillion.resilience.shelf import Shelf
from pillion.service.subscription import Handler

Step: TypeAlias = Callable[[Context[Any, Any]], Coroutine[Any, Any, Outcome]]


@dataclass(frozen=True, slots=True)
class Plan:
    """All that the stages of one handler are compiled from.

    Attributes:
        handler: the declaration.
        facilities: of the host.
        outbound: sends as the handler's service.
        replies: a caller waits for the answer (a called command, not a sent one or an event).
        provisions: what the runtime opened for the service; complete once it is started.
        retries: how often and how fast what fails is tried again.
    """

    handler: Handler
    facilities: Facilities
    outbound: Outbound
    replies: bool
    provisions: Provisions
    retries: Retries

    def shelf(self) -> Shelf:
        """Where the service keeps messages for later.

        Raises:
            StoreError: it has no state store that can.
        """
        if self.provisions.shelf is None:
            raise StoreError(f"{self.handler.address}: the service has no state store that keeps ETags")
        return self.provisions.shelf


# A stage wraps the next step; one that the handler does not need returns it as it is.
Stage: TypeAlias = Callable[[Plan, Step], Step]
