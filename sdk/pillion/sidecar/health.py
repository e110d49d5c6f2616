"""Whether the sidecar is up, and what it has loaded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress

import msgspec

from pillion.errors import SidecarError, SidecarUnavailable
from pillion.sidecar.channel import SidecarChannel

_FIRST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 0.5
_PROBE_SECONDS = 2.0
_REPORT_SECONDS = 10.0
# A sidecar that does not answer for so long is gone, and so is one that was to stop.
_GONE_SECONDS = 5.0
_LONGEST_STOP_SECONDS = 60.0


class Component(msgspec.Struct, frozen=True):
    """A component that the sidecar has loaded.

    Attributes:
        name: as in its YAML.
        type: for example ``state.redis``.
        version: for example ``v1``.
        capabilities: for example ``ETAG`` and ``TRANSACTIONAL``.
    """

    name: str
    type: str
    version: str = ""
    capabilities: tuple[str, ...] = ()


class RoutingRule(msgspec.Struct, frozen=True):
    """Where a subscription sends a message.

    Attributes:
        path: of the application.
        match: CEL expression; empty for all messages.
    """

    path: str = ""
    match: str = ""


class ActiveSubscription(msgspec.Struct, frozen=True):
    """A subscription that the sidecar serves.

    Attributes:
        pubsub: name of the component.
        topic: name of the topic.
        rules: routes in order.
        dead_letter_topic: empty when there is none.
        type: DECLARATIVE, PROGRAMMATIC or STREAMING.
    """

    pubsub: str = msgspec.field(name="pubsubname")
    topic: str
    rules: tuple[RoutingRule, ...] = ()
    dead_letter_topic: str = msgspec.field(default="", name="deadLetterTopic")
    type: str = ""


class LoadedResiliency(msgspec.Struct, frozen=True):
    """A Resiliency that the sidecar has loaded.

    Attributes:
        name: as in its YAML.
    """

    name: str


class SidecarMetadata(msgspec.Struct, frozen=True):
    """What the sidecar says about itself.

    Attributes:
        id: the app id.
        runtime_version: of Dapr.
        components: those it has loaded.
        subscriptions: those it serves.
        resiliencies: those it has loaded; Dapr 1.17 does not say.
        extended: what others have noted about it, and its own version.
    """

    id: str = ""
    runtime_version: str = msgspec.field(default="", name="runtimeVersion")
    components: tuple[Component, ...] = ()
    subscriptions: tuple[ActiveSubscription, ...] = ()
    resiliencies: tuple[LoadedResiliency, ...] = ()
    extended: Mapping[str, str] = {}

    def component(self, name: str) -> Component | None:
        """The component of that name, if it is loaded."""
        return next((component for component in self.components if component.name == name), None)

    def of_types(self, types: Collection[str]) -> frozenset[str]:
        """The names of the loaded components of these types."""
        return frozenset(component.name for component in self.components if component.type in types)


async def metadata(channel: SidecarChannel) -> SidecarMetadata:
    """Ask the sidecar for its metadata.

    Raises:
        SidecarUnavailable: no answer came.
        SidecarError: the sidecar refused, or answered what cannot be read.
    """
    answer = await channel.ask("GET", "/v1.0/metadata", "reading the sidecar's metadata")
    try:
        return msgspec.json.decode(answer.body, type=SidecarMetadata)
    except msgspec.DecodeError as error:
        raise SidecarError(
            f"reading the sidecar's metadata: {error}; is {channel.settings.http_address} a Dapr sidecar?",
            status=answer.status,
        ) from error


async def wait_outbound(
    channel: SidecarChannel,
    *,
    report: Callable[[str], object] | None = None,
    report_every: float = _REPORT_SECONDS,
) -> None:
    """Wait until the sidecar takes requests: its components are loaded, the application may still be starting.

    Waits for ever; bound it with ``asyncio.timeout``. Daprd waits for the application's port before it calls itself
    healthy, so this asks for outbound health only.

    Args:
        channel: a started channel.
        report: called with a sentence that says what is waited for, every ``report_every`` seconds.
        report_every: seconds. Default 10.
    """
    loop = asyncio.get_running_loop()
    began = reported = loop.time()
    pause = _FIRST_PAUSE_SECONDS
    while (obstacle := await _outbound_obstacle(channel)) is not None:
        if report is not None and loop.time() - reported >= report_every:
            reported = loop.time()
            report(f"waiting for the Dapr sidecar for {reported - began:.0f} s: {obstacle}")
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)


async def wait_gone(channel: SidecarChannel) -> None:
    """Wait until the sidecar does not answer any more, for a minute at most.

    Args:
        channel: a started channel.
    """
    with suppress(SidecarUnavailable, TimeoutError):
        async with asyncio.timeout(_LONGEST_STOP_SECONDS):
            while True:
                await channel.request("GET", "/v1.0/healthz/outbound", timeout=_GONE_SECONDS)
                await asyncio.sleep(_FIRST_PAUSE_SECONDS)


async def serving_obstacle(channel: SidecarChannel) -> str | None:
    """Why the sidecar does not serve the application's subscriptions yet, None if it does; it lists them before that.

    It never does while the application does not listen.
    """
    return await _obstacle(channel, "/v1.0/healthz", "its subscriptions are still starting")


async def _outbound_obstacle(channel: SidecarChannel) -> str | None:
    return await _obstacle(channel, "/v1.0/healthz/outbound", "its components are still loading")


async def _obstacle(channel: SidecarChannel, path: str, otherwise: str) -> str | None:
    try:
        answer = await channel.request("GET", path, timeout=_PROBE_SECONDS)
    except SidecarUnavailable as error:
        return str(error)
    return None if answer.ok else f"it answers {answer.status}, so {otherwise}"
