"""Stores behind a Dapr sidecar: whatever component its YAML names."""

from __future__ import annotations

from pillion.stores.dapr.configuration import DaprConfigurationStore
from pillion.stores.dapr.secrets import DaprSecretStore
from pillion.stores.dapr.state import DaprStateStore

__all__ = ["DaprConfigurationStore", "DaprSecretStore", "DaprStateStore"]
