"""Contracts: what a service offers, as pure data that other teams import."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, cast

from typing_extensions import TypeVar

from pillion.errors import DeclarationError, Failure
from pillion.service.command import Command
from pillion.service.event import Event
from pillion.service.expose import Expose
from pillion.service.names import group_of, member_name, service_name, topic_name

# Without a type for the request or the answer, there is none.
I = TypeVar("I", default=None)  # noqa: E741 - input
O = TypeVar("O", default=None)  # noqa: E741 - output
P = TypeVar("P")


class Contract:
    """Name and version of a service, and the commands, events and failures it offers.

    Args:
        name: 1-63 lower-case letters, digits and hyphens; also the Dapr app id by default.
        version: integer from 1. Versions run side by side.
        description: for documents.
        deprecated: what to use instead; empty when it is current.

    Raises:
        DeclarationError: the name or version is not valid.
    """

    def __init__(self, name: str, version: int = 1, *, description: str = "", deprecated: str = "") -> None:
        if type(version) is not int or version < 1:
            raise DeclarationError(f'contract "{name}": version {version!r} is not valid; versions count from 1')
        self.name = service_name(name)
        self.version = version
        self.description = description
        self.deprecated = deprecated
        self.commands: dict[str, Command[Any, Any]] = {}
        self.events: dict[str, Event[Any]] = {}

    @property
    def group(self) -> str:
        """``payments.v1``."""
        return group_of(self.name, self.version)

    @property
    def dead_letter_topic(self) -> str:
        """Where messages go that this service could not handle."""
        return f"{self.group}.deadletters"

    def command(
        self,
        name: str,
        input: type[I] | None = None,  # noqa: A002 - the field's word
        output: type[O] | None = None,
        *,
        raises: Iterable[type[Failure]] = (),
        timeout: float = 30.0,
        emits_result: Event[O] | None = None,
        announced: bool = False,
        expose: Expose | None = None,
        description: str = "",
        examples: Iterable[I] | None = None,
        deprecated: str = "",
    ) -> Command[I, O]:
        """Offer a command.

        Args:
            name: unique in the contract.
            input: type of the request, or None.
            output: type of the answer, or None.
            raises: failures that callers get back as these classes.
            timeout: seconds a caller waits by default and the handler may take. Default 30.
            emits_result: event that carries each successful answer.
            announced: publish the command's ``succeeded`` and ``failed`` events for others to subscribe to.
            expose: how the gateway offers it over HTTP.
            description: for documents.
            examples: requests, for documents.
            deprecated: what to use instead; empty when it is current.

        Raises:
            DeclarationError: the name is taken or not valid, ``raises`` holds what is no failure, or a failure code
                twice, or ``emits_result`` carries another type.
        """
        self._reserve(name, "command")
        address = f"{self.group}.{name}"
        if timeout <= 0:
            raise DeclarationError(f"{address}: timeout {timeout} must be more than 0 seconds")
        raises = failures(address, raises)
        if emits_result is not None and (emits_result.payload_type or type(None)) != (output or type(None)):
            raise DeclarationError(
                f"{address}: emits_result= carries {emits_result.payload_type!r}, but the command answers {output!r}"
            )
        declared: Command[I, O] = Command(
            self.name, self.version, name, cast("type[I]", input), cast("type[O]", output), raises, timeout,
            emits_result, announced, expose, description, tuple(examples or ()), deprecated or self.deprecated,
        )  # fmt: skip
        self.commands[name] = declared
        return declared

    def event(
        self,
        name: str,
        payload: type[P],
        *,
        topic: str | None = None,
        component: str = "pubsub",
        key: Callable[[P], str] | None = None,
        description: str = "",
        examples: Iterable[P] = (),
        deprecated: str = "",
    ) -> Event[P]:
        """Offer an event.

        Args:
            name: unique in the contract.
            payload: type of its data.
            topic: where it is published; default the event's address, ``payments.v1.charged``.
            component: pub/sub component that carries it. Default ``pubsub``.
            key: gives a payload's ordering key, for example ``lambda placed: placed.order_id``; subscriptions with
                ``key="subject"`` handle the events of one key in their order.
            description: for documents.
            examples: payloads, for documents.
            deprecated: what to use instead; empty when it is current.

        Raises:
            DeclarationError: the name is taken or not valid, or ``key`` is no function.
        """
        self._reserve(name, "event")
        address = f"{self.group}.{name}"
        if key is not None and not callable(key):
            raise DeclarationError(f"{address}: key={key!r} is no function that gives a payload's ordering key")
        declared = Event(
            address, payload, topic_name(topic or address), address, component, False,
            description, tuple(examples), deprecated or self.deprecated, key,
        )  # fmt: skip
        self.events[name] = declared
        return declared

    def _reserve(self, name: str, what: str) -> None:
        member_name(name, f"{self.group}: {what}")
        if name in self.commands or name in self.events:
            raise DeclarationError(f'{self.group}: "{name}" is declared twice; commands and events share their names')
        if name in ("commands", "sends", "deadletters"):
            raise DeclarationError(f'{self.group}: "{name}" is the name of one of its topics; choose another')

    def __repr__(self) -> str:
        return f"<contract {self.group}>"


def failures(address: str, raises: Iterable[type[Failure]]) -> tuple[type[Failure], ...]:
    """The failures of a command.

    Raises:
        DeclarationError: they are no list of failure classes, or two have the same code.
    """
    found = () if isinstance(raises, type) else tuple(raises)
    wrong = [one for one in found if not (isinstance(one, type) and issubclass(one, Failure))]
    if wrong or isinstance(raises, type):
        raise DeclarationError(f"{address}: raises={raises!r} is no list of subclasses of Failure")
    if len({failure.code for failure in found}) != len(found):
        raise DeclarationError(f"{address}: two failures in raises= have the same code")
    return found
