"""The claims store at start, and what does not go together with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pillion.errors import ConfigurationError
from pillion.ports.store import StateStore
from pillion.resilience.claims import CLAIMS
from pillion.runtime.settings import HostSettings
from pillion.runtime.stores import OpenStores
from pillion.service.catalog import handlers
from pillion.service.service import Service
from pillion.service.subscription import Subscription

_ASKED = "claim_check_bytes is set (PILLION_CLAIM_CHECK_BYTES)"


async def claims_store(
    stores: OpenStores, settings: HostSettings, services: Sequence[Service[Any, Any]]
) -> StateStore | None:
    """The store of payloads that are too large for a broker; None when the profile has none and none is asked for.

    Raises:
        ConfigurationError: this host is to leave payloads, and store or services do not allow it.
    """
    store = await stores.shared(CLAIMS, [service.name for service in services])
    if settings.claim_check_bytes is None:
        return store
    if store is None:
        raise ConfigurationError(
            f"{_ASKED}, and the profile has no state component {CLAIMS!r} for all services here; add one "
            "that all apps share: without scopes, and with keyPrefix: name"
        )
    if not store.capabilities.ttl:
        raise ConfigurationError(f"{_ASKED}, and state component {CLAIMS!r} lets no values expire; choose another type")
    for service in services:
        _check(service, settings.claim_check_ttl)
    return store


def _check(service: Service[Any, Any], ttl: float) -> None:
    for handler in handlers(service):
        if handler.once is not None and handler.once > ttl:
            raise ConfigurationError(
                f"{handler.address} remembers answers for {handler.once:g} s, and payloads are kept for {ttl:g} s; "
                "raise claim_check_ttl (PILLION_CLAIM_CHECK_TTL), or shorten once="
            )
        if isinstance(handler, Subscription) and callable(handler.key):
            raise ConfigurationError(
                f"{handler.address} takes its order from the payload, which may be in {CLAIMS!r} instead of the "
                'message; give the event key=, and the subscription key="subject"'
            )
