"""The component of the sidecar that a store stands for."""

from __future__ import annotations

from pillion.errors import ConfigurationError
from pillion.sidecar.channel import SidecarChannel
from pillion.sidecar.health import Component, metadata


async def loaded(channel: SidecarChannel, name: str, block: str) -> Component:
    """The component of that name.

    Args:
        channel: a started channel.
        name: of the component.
        block: Dapr's building block, as types begin: ``state``, ``secretstores`` or ``configuration``.

    Raises:
        ConfigurationError: the sidecar has not loaded it, or it is of another kind.
        SidecarError: the sidecar does not answer.
    """
    component = (await metadata(channel)).component(name)
    if component is None:
        raise ConfigurationError(
            f"{block} component {name!r} is not loaded by the sidecar; check its name and `scopes`, that its YAML is "
            "in the resources folder of the profile, and the sidecar's log"
        )
    if not component.type.startswith(f"{block}."):
        raise ConfigurationError(f"component {name!r} is a {component.type}; {block}.* is needed under this name")
    return component
