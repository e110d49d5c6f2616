"""Secrets in environment variables, read as Dapr's ``secretstores.local.env`` reads them."""

from __future__ import annotations

import os
from collections.abc import Mapping

from pillion.errors import SecretNotFound


class EnvironmentSecretStore:
    """Hands out environment variables, except Dapr's own.

    Args:
        prefix: put before the name of a secret to get the variable's. Default none.
        environ: the variables; this process's own by default.
    """

    def __init__(self, prefix: str = "", environ: Mapping[str, str] | None = None) -> None:
        self._prefix = prefix
        self._environ = os.environ if environ is None else environ

    async def start(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Nothing to do."""

    async def get(self, name: str) -> dict[str, str]:
        """The variable of that name.

        Raises:
            SecretNotFound: it is not set, empty, or one that a service may not read.
        """
        variable = self._prefix + name
        value = self._environ.get(variable) if _allowed(variable) else None
        if not value:
            raise SecretNotFound(f"secret {name!r} is not there; set the environment variable {variable}")
        return {name: value}

    async def get_all(self) -> dict[str, dict[str, str]]:
        """Every variable that begins with the prefix, without it."""
        start = len(self._prefix)
        names = [variable for variable in self._environ if variable.startswith(self._prefix) and _allowed(variable)]
        return {name[start:]: {name[start:]: self._environ[name]} for name in names if len(name) > start}


def _allowed(variable: str) -> bool:
    """Whether Dapr would hand it out: never the tokens of app and sidecar."""
    return variable.upper() != "APP_API_TOKEN" and not variable.upper().startswith("DAPR_")
