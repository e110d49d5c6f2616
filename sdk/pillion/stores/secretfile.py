"""Secrets in a JSON file, read as Dapr's ``secretstores.local.file`` reads it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pillion.errors import ConfigurationError, SecretNotFound


class FileSecretStore:
    """Hands out the secrets of a JSON file, read once at start.

    Nested objects become names such as ``database:password``; with ``multi_valued`` an object at the top is one secret
    with several keys. Values must be strings: Dapr turns other ones into text that nobody wants.

    Args:
        path: the file (``secretsFile``).
        separator: between the parts of a nested name (``nestedSeparator``). Default ``:``.
        multi_valued: objects at the top are one secret each (``multiValued``). Default False.
    """

    def __init__(self, path: str | Path, *, separator: str = ":", multi_valued: bool = False) -> None:
        self._path = Path(path)
        self._separator = separator or ":"
        self._multi_valued = multi_valued
        self._secrets: dict[str, dict[str, str]] = {}

    async def start(self) -> None:
        """Read the file.

        Raises:
            ConfigurationError: it cannot be read, is no JSON object, or has a value that is no string.
        """
        try:
            content = json.loads(await asyncio.to_thread(self._path.read_bytes))
        except (OSError, ValueError) as error:
            # A parser's error may quote the file, so only its kind is told.
            reason = error.strerror if isinstance(error, OSError) else "it is no JSON"
            raise ConfigurationError(
                f"secrets file {self._path} cannot be read: {reason}; check `secretsFile` of the component"
            ) from None
        if not isinstance(content, dict):
            raise ConfigurationError(f"secrets file {self._path}: must be a JSON object of names and strings")
        self._secrets = self._multiple(content) if self._multi_valued else self._single(content)

    async def close(self) -> None:
        """Forget the secrets."""
        self._secrets = {}

    async def get(self, name: str) -> dict[str, str]:
        """The secret of that name.

        Raises:
            SecretNotFound: the file has none of that name, or an empty one.
        """
        secret = self._secrets.get(name)
        if not secret or not any(secret.values()):
            raise SecretNotFound(f"secret {name!r} is not in {self._path}; add it there")
        return dict(secret)

    async def get_all(self) -> dict[str, dict[str, str]]:
        """Every secret of the file, by name."""
        return {name: dict(secret) for name, secret in self._secrets.items()}

    def _single(self, content: dict[str, Any]) -> dict[str, dict[str, str]]:
        return {name: {name: value} for name, value in self._flat("", content)}

    def _multiple(self, content: dict[str, Any]) -> dict[str, dict[str, str]]:
        objects = {name: dict(self._flat("", value)) for name, value in content.items() if isinstance(value, dict)}
        strings = {name: {name: value} for name, value in content.items() if isinstance(value, str)}
        return objects | strings

    def _flat(self, prefix: str, value: Any) -> Iterator[tuple[str, str]]:
        match value:
            case str():
                yield prefix, value
            case dict() | list():
                parts = value.items() if isinstance(value, dict) else enumerate(value)
                for name, part in parts:
                    yield from self._flat(f"{prefix}{self._separator}{name}" if prefix else str(name), part)
            case _:
                raise ConfigurationError(f"secrets file {self._path}: {prefix!r} must be a string; put it in quotes")
