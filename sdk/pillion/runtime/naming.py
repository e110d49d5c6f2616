"""What a host is called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pillion.errors import DeclarationError
from pillion.service.service import Service


def host_name(services: Sequence[Service[Any, Any]]) -> str:
    """What a host is called when its settings do not say.

    Raises:
        DeclarationError: there is no service to name it after.
    """
    if not services:
        raise DeclarationError("a host needs at least one service, or the name of a host that only calls others (app)")
    return services[0].name if len({service.name for service in services}) == 1 else "app"
