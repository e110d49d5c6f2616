"""Makes an MQTT broker send again what a former sidecar had in hand; ``pubsub.mqtt3`` cannot.

The component connects before it has subscribed. What the broker sends again at that moment finds no handler, is never
acknowledged, and is not sent another time on that connection; when it fills the broker's window, nothing comes at all.
A second connection of the component, which by then knows its subscriptions, heals that. So once in the life of each
sidecar its client id is taken over for a moment. What the sidecar has in hand just then comes twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from importlib.util import find_spec

import msgspec

from pillion.bridges.dapr.deliveries import Log
from pillion.errors import ConfigurationError, PillionError, SidecarError
from pillion.ports.clock import Clock
from pillion.sidecar.channel import SidecarChannel
from pillion.sidecar.health import SidecarMetadata, metadata

TYPE = "pubsub.mqtt3"
SECRET = "mqtt-url"  # noqa: S105 - its name
_CLEAN = frozenset({"replies", "broadcast"})  # their sessions end with the sidecar
_MARK = "pillion-mqtt"
_POLL_SECONDS = 0.02
_SUBSCRIBED_SECONDS = 15.0
_RETRY_SECONDS = 5.0


def client_id(app: str, component: str) -> str:
    """The ``consumerID`` that a profile gives a component."""
    return app if component == "pubsub" else f"{app}-{component}"


class MqttSessions:
    """Heals the sessions that one app has at the broker.

    Args:
        sidecar: a channel that is started before this is used.
        url: where the broker is; None asks the sidecar's secret store.
        clock: tells the time.
        log: hears what cannot be done.
    """

    def __init__(self, sidecar: SidecarChannel, url: str | None, clock: Clock, log: Log) -> None:
        self._sidecar = sidecar
        self._url = url
        self._clock = clock
        self._log = log
        self._healing: asyncio.Task[None] | None = None

    async def start(self, loaded: SidecarMetadata, subscribed: Collection[str]) -> None:
        """Say it if nothing can be healed here, and begin.

        Args:
            loaded: what the sidecar has.
            subscribed: the components that this process listens to.
        """
        names = sorted(set(subscribed).intersection(_sessions(loaded)))
        if not names:
            return
        if missing := await self._missing():
            self._log.error(
                f"{missing}. Until then messages that a sidecar has in hand when it ends are stuck at the broker, and "
                f"in the end nothing is delivered any more (component {', '.join(names)})"
            )
        self.heal()

    def heal(self) -> None:
        """Heal the sidecar that is there, unless that was done: it has just come up, or this process has."""
        if self._healing is not None:
            self._healing.cancel()
        self._healing = asyncio.get_running_loop().create_task(self._heal())

    @property
    def problems(self) -> Sequence[str]:
        """That it is at it: what the sidecar gets meanwhile may come twice."""
        if self._healing is None or self._healing.done():
            return ()
        return ("MQTT: what a former sidecar had in hand is being asked for again",)

    async def close(self) -> None:
        """Stop healing."""
        if self._healing is not None:
            self._healing.cancel()
            await asyncio.gather(self._healing, return_exceptions=True)

    async def _missing(self) -> str | None:
        if find_spec("paho") is None:
            return "The sidecar uses MQTT, and paho-mqtt is not installed: do `pip install pillion[mqtt]`"
        if await self._address() is None:
            return (
                "The sidecar uses MQTT, and this process does not know the broker's address: put mqtt-url into the "
                "secret store named secrets, or set PILLION_MQTT_URL"
            )
        return None

    async def _address(self) -> str | None:
        if self._url is not None:
            return self._url
        answer = await self._sidecar.request("GET", f"/v1.0/secrets/secrets/{SECRET}")
        return msgspec.json.decode(answer.body, type=dict[str, str]).get(SECRET) if answer.ok and answer.body else None

    async def _heal(self) -> None:
        try:
            await self._when_subscribed()
            loaded = await metadata(self._sidecar)
            used = {subscription.pubsub for subscription in loaded.subscriptions}
            names = used.intersection(_sessions(loaded))
            if not names or _MARK in loaded.extended or await self._missing():
                return
            for name in sorted(names):
                await self._take_over(loaded.id, name)
            # Another process of ours beside this sidecar need not do it again: what is in hand would come twice.
            await self._sidecar.ask("PUT", f"/v1.0/metadata/{_MARK}", "noting that MQTT is healed", body=b"healed")
        except PillionError as error:
            self._log.error("MQTT: what a former sidecar had in hand stays at the broker", reason=str(error))

    async def _when_subscribed(self) -> None:
        """The sidecar is healthy once it has subscribed; never, if a scheduler that it wants is not there."""
        until = self._clock.now() + _SUBSCRIBED_SECONDS
        while self._clock.now() < until and not (await self._sidecar.request("GET", "/v1.0/healthz")).ok:
            await self._clock.sleep(_POLL_SECONDS)

    async def _take_over(self, app: str, component: str) -> None:
        from pillion.sidecar.mqtt import take_over  # noqa: PLC0415 - only who uses MQTT has paho

        url, session = await self._address() or "", client_id(app, component)
        while True:
            try:
                found = await asyncio.to_thread(take_over, url, session)
                break
            except SidecarError as error:
                self._log.info("waiting for the MQTT broker", reason=str(error))
                await self._clock.sleep(_RETRY_SECONDS)
        if not found:
            wanted = client_id("{appID}", component)
            raise ConfigurationError(
                f"the broker has no session {session}: give component {component} consumerID {wanted}, qos 1 and "
                'cleanSession "false"'
            )


def _sessions(loaded: SidecarMetadata) -> set[str]:
    """The components with a session that outlives the sidecar."""
    return {component.name for component in loaded.components if component.type == TYPE} - _CLEAN
