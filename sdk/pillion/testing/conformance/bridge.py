"""What every bridge must do, as one test class for pytest.

Subclass it and give it a ``world`` fixture (see ``World``) that runs hosts on your bridge::

    class TestMyBridge(BridgeContract):
        @pytest_asyncio.fixture
        async def world(self):
            async with MyWorld() as world:
                yield world

The parts can be run by themselves: ``Calls``, ``Failures``, ``Deadlines``, ``Events``, ``Retries``, ``Foreign``,
``Filters``, ``Stages`` and ``Stopping``, each in the module of its name.
"""

from __future__ import annotations

from pillion.testing.conformance.calls import Calls
from pillion.testing.conformance.deadlines import Deadlines
from pillion.testing.conformance.events import Events
from pillion.testing.conformance.failures import Failures
from pillion.testing.conformance.filters import Filters
from pillion.testing.conformance.foreign import Foreign
from pillion.testing.conformance.retries import Retries
from pillion.testing.conformance.stages import Stages
from pillion.testing.conformance.stopping import Stopping


class BridgeContract(Calls, Failures, Deadlines, Events, Retries, Foreign, Filters, Stages, Stopping):
    """What a bridge must do."""
