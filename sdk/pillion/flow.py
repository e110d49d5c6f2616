"""The shape of handling: a message goes in, an outcome comes back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from pillion.message import Message
from pillion.outcome import Outcome

Handle: TypeAlias = Callable[[Message], Awaitable[Outcome]]
