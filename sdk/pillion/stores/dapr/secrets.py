"""Secrets behind a Dapr sidecar."""

from __future__ import annotations

from urllib.parse import quote

import msgspec

from pillion.errors import SecretNotFound
from pillion.sidecar.channel import SidecarChannel
from pillion.stores.dapr.component import loaded


class DaprSecretStore:
    """Hands out the secrets of a secret store component.

    Args:
        channel: started and closed by its owner.
        component: name of the secret store component.
    """

    def __init__(self, channel: SidecarChannel, component: str) -> None:
        self._channel = channel
        self._component = component
        self._path = f"/v1.0/secrets/{quote(component, safe='')}"

    async def start(self) -> None:
        """Look up the component.

        Raises:
            ConfigurationError: the sidecar has not loaded it, or it holds no secrets.
            SidecarError: the sidecar does not answer.
        """
        await loaded(self._channel, self._component, "secretstores")

    async def close(self) -> None:
        """Nothing to do: the channel is its owner's."""

    async def get(self, name: str) -> dict[str, str]:
        """The secret of that name.

        Raises:
            SecretNotFound: there is none, it is empty, or this service may not read it.
            SidecarError: the sidecar does not do it.
        """
        doing = f"reading secret {name!r} from {self._component!r}"
        answer = await self._channel.ask("GET", f"{self._path}/{quote(name, safe='')}", doing)
        secret = msgspec.json.decode(answer.body, type=dict[str, str]) if answer.body else {}
        if not any(secret.values()):
            raise SecretNotFound(f"{doing}: there is none of that name; add it to the secret store")
        return secret

    async def get_all(self) -> dict[str, dict[str, str]]:
        """Every secret this service may read, by name.

        Raises:
            SidecarError: the sidecar does not do it.
        """
        answer = await self._channel.ask("GET", f"{self._path}/bulk", f"reading all secrets from {self._component!r}")
        return msgspec.json.decode(answer.body, type=dict[str, dict[str, str]]) if answer.body else {}
