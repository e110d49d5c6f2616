"""Failures as people read them on a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import msgspec

from pillion.errors import Failure
from pillion.message import Message


@dataclass(frozen=True)
class Refusal:
    """A command's failure, wherever it came from."""

    code: str
    status: int
    title: str
    data: Mapping[str, Any]

    @classmethod
    def of(cls, failure: Failure) -> Self:
        """That of an exception."""
        return cls(failure.code, failure.status, failure.title, failure.data)

    @classmethod
    def in_reply(cls, reply: Message) -> Self:
        """That of a failed reply."""
        data = msgspec.json.decode(reply.json or b"{}")
        return cls(reply.failure_code or "", reply.failure_status or 500, reply.failure_title or "", data)

    def text(self, address: str) -> str:
        """Code, status and title in one line; then field errors and data, one in each."""
        first = f"pillion: {address} failed: {self.code} ({self.status}). {self.title}"
        return "\n".join((first, *(f"  {line}" for line in self._lines())))

    def _lines(self) -> Iterator[str]:
        for name, value in self.data.items():
            if name == "errors" and self.code == "invalid_input":
                yield from (f"{error.get('field') or 'payload'}: {error.get('message')}" for error in value)
            else:
                yield f"{name}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
