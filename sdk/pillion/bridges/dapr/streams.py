"""Sees to it that each topic on JetStream has a stream before its first message and its first subscriber.

NATS stores only what a stream is for, and ``pubsub.jetstream`` makes none. Its ``durableName`` names one consumer in
each stream, so each topic has a stream of its own; replies of all instances share one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.util import find_spec

import msgspec

from pillion.bridges.dapr.deliveries import Log
from pillion.errors import SidecarError
from pillion.ports.clock import Clock
from pillion.sidecar.channel import SidecarChannel
from pillion.sidecar.health import SidecarMetadata

TYPE = "pubsub.jetstream"
SECRET = "nats-url"  # noqa: S105 - its name
_RETRY_SECONDS = 2.0


class Streams:
    """Makes streams that are not there.

    Args:
        sidecar: a channel that is started before this is used.
        url: where the server is; None asks the sidecar's secret store.
        app: the app id, which is what the profile calls consumers.
        clock: tells the time.
        log: hears what cannot be done.
    """

    def __init__(self, sidecar: SidecarChannel, url: str | None, app: str, clock: Clock, log: Log) -> None:
        self._sidecar = sidecar
        self._url = url
        self._app = app
        self._clock = clock
        self._log = log
        self._components: frozenset[str] = frozenset()
        self._there: set[str] = set()
        self._subscribed: Sequence[str] = ()

    async def start(self, loaded: SidecarMetadata, subscribed: Iterable[tuple[str, str]]) -> None:
        """Make those of subscriptions, pairs of component and topic; waits for the server.

        Raises:
            ConfigurationError: a stream of other topics has one of these too.
        """
        found = frozenset(component.name for component in loaded.components if component.type == TYPE)
        if not found:
            return
        if (missing := await self._missing()) is not None:
            self._log.error(f"{missing}. Until then streams that are not there are not made, and their topics are dead")
            return
        self._components = found
        wanted = {topic for component, topic in subscribed if component in found}
        while True:
            try:
                await self._make(wanted)
                break
            except SidecarError as error:
                self._log.info("waiting for NATS", reason=str(error))
                await self._clock.sleep(_RETRY_SECONDS)
        self._subscribed = sorted(wanted)

    async def need(self, component: str, topic: str) -> None:
        """Make the stream of a topic that is published to, the first time.

        Raises:
            ConfigurationError: a stream of other topics has this one too.
            SidecarError: the server cannot be reached.
        """
        if component in self._components and topic not in self._there:
            await self._make({topic})

    async def problems(self) -> list[str]:
        """Subscriptions that the server refused to the sidecar, which lists them all the same; one sentence each."""
        if not self._subscribed:
            return []
        from pillion.sidecar.nats import unread  # noqa: PLC0415 - only who uses JetStream has nats-py

        try:
            found = await unread(self._url or "", self._subscribed, self._app)
        except SidecarError as error:
            return [str(error)]
        return [
            f"nobody reads consumer {self._app} of {topic}; if the sidecar's log says that its name is already in use, "
            "ackWait or maxAckPending of the component are not the consumer's: do `nats consumer edit`"
            for topic in found
        ]

    async def _make(self, topics: set[str]) -> None:
        from pillion.sidecar.nats import REPLIES, make_streams  # noqa: PLC0415 - only who uses JetStream has nats-py

        subjects = {REPLIES if topic.startswith(REPLIES.rstrip(">")) else topic for topic in topics}
        await make_streams(self._url or "", sorted(subjects))
        self._there |= topics

    async def _missing(self) -> str | None:
        if find_spec("nats") is None:
            return "The sidecar uses JetStream, and nats-py is not installed: do `pip install pillion[nats]`"
        self._url = self._url or await self._secret()
        if self._url is None:
            return (
                "The sidecar uses JetStream, and this process does not know the server's address: put nats-url into "
                "the secret store named secrets, or set PILLION_NATS_URL"
            )
        return None

    async def _secret(self) -> str | None:
        answer = await self._sidecar.request("GET", f"/v1.0/secrets/secrets/{SECRET}")
        return msgspec.json.decode(answer.body, type=dict[str, str]).get(SECRET) if answer.ok and answer.body else None
