"""What every bridge must do, as one test class for pytest.

Subclass it and give it a ``world`` fixture (see ``World``) that runs hosts on your bridge::

    class TestMyBridge(BridgeContract):
        @pytest_asyncio.fixture
        async def world(self):
            async with MyWorld() as world:
                yield world

The parts can be run by themselves, see the base classes of ``BridgeContract``.
"""

from __future__ import annotations

from pillion.testing.conformance.announcements import Announcements
from pillion.testing.conformance.calls import Calls
from pillion.testing.conformance.cancellation import Cancellation
from pillion.testing.conformance.deadlines import Deadlines
from pillion.testing.conformance.events import Events
from pillion.testing.conformance.failures import Failures
from pillion.testing.conformance.filters import Filters
from pillion.testing.conformance.foreign import Foreign
from pillion.testing.conformance.idempotency import Idempotency
from pillion.testing.conformance.letters import Letters
from pillion.testing.conformance.limits import Limits
from pillion.testing.conformance.once import Once
from pillion.testing.conformance.ordering import Ordering
from pillion.testing.conformance.outbox import Outbox
from pillion.testing.conformance.parking import Parking
from pillion.testing.conformance.policies import Callees, Lifetimes, Pauses, RetryPolicies
from pillion.testing.conformance.retries import Retries
from pillion.testing.conformance.sends import Sends
from pillion.testing.conformance.stages import Stages
from pillion.testing.conformance.stopping import Stopping


class BridgeContract(
    Calls, Sends, Failures, Deadlines, Events, Retries, RetryPolicies, Foreign, Filters, Stages, Stopping,
    Once, Outbox, Idempotency, Parking, Ordering, Callees, Pauses, Lifetimes, Letters, Cancellation,
    Limits, Announcements,
):  # fmt: skip
    """What a bridge must do."""
