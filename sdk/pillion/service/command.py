"""Commands: what a service can be asked to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from pillion.codec.payload import Payload
from pillion.errors import Failure
from pillion.service.event import Event
from pillion.service.expose import Expose
from pillion.service.names import group_of

I = TypeVar("I")  # noqa: E741 - input
O = TypeVar("O")  # noqa: E741 - output


class CommandFailed(BaseModel):
    """Payload of a command's ``failed`` event: the failure as it crossed the wire."""

    code: str
    status: int
    title: str
    data: dict[str, Any] = {}


@dataclass(frozen=True, eq=False)
class Command(Generic[I, O]):
    """Ask one service to do something and get a typed answer. Made by ``Contract.command`` or ``Service.command``.

    Attributes:
        service, version, name: whose it is, and which.
        input_type, output_type: any types that pydantic supports; None for nothing.
        raises: the failures that its callers get back typed.
        timeout: seconds a caller waits by default, and at most the handler may take.
        emits_result: event that carries each successful answer, or None.
        announced: publish ``succeeded`` and ``failed`` events, which other services can subscribe to.
        expose: how the gateway offers it over HTTP, or None.
        description, examples, deprecated: for documents; ``deprecated`` says what to use instead.
    """

    service: str
    version: int
    name: str
    input_type: type[I]
    output_type: type[O]
    raises: tuple[type[Failure], ...] = ()
    timeout: float = 30.0
    emits_result: Event[O] | None = None
    announced: bool = False
    expose: Expose | None = None
    description: str = ""
    examples: tuple[Any, ...] = ()
    deprecated: str = ""

    @cached_property
    def group(self) -> str:
        """``payments.v1``."""
        return group_of(self.service, self.version)

    @cached_property
    def address(self) -> str:
        """``payments.v1.charge``: also the CloudEvents type of its messages."""
        return f"{self.group}.{self.name}"

    @cached_property
    def patience(self) -> timedelta:
        """How long a caller waits by default."""
        return timedelta(seconds=self.timeout)

    @cached_property
    def topic(self) -> str:
        """Where calls go, one topic for all commands of a service."""
        return f"{self.group}.commands"

    @cached_property
    def send_topic(self) -> str:
        """Where sends without reply go."""
        return f"{self.group}.sends"

    @cached_property
    def input(self) -> Payload[I]:
        """Reads and writes the request."""
        return Payload(self.input_type, self.address)

    @cached_property
    def output(self) -> Payload[O]:
        """Reads and writes the answer."""
        return Payload(self.output_type, self.address)

    @cached_property
    def failures(self) -> Mapping[str, type[Failure]]:
        """The declared failures by code."""
        return {failure.code: failure for failure in self.raises}

    @cached_property
    def succeeded(self) -> Event[O]:
        """The event of each success; published when the command is ``announced``."""
        address = f"{self.address}.succeeded"
        return Event(address, self.output_type, address, address, deprecated=self.deprecated, announced=self.announced)

    @cached_property
    def failed(self) -> Event[CommandFailed]:
        """The event of each failure; published when the command is ``announced``."""
        address = f"{self.address}.failed"
        return Event(address, CommandFailed, address, address, deprecated=self.deprecated, announced=self.announced)

    def __repr__(self) -> str:
        return f"<command {self.address}>"
