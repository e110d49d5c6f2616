"""Doubles: what answers a command whose service is not part of the test."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Generic, Self, TypeVar, cast

from pillion.errors import DeclarationError, PillionError
from pillion.service.catalog import handlers
from pillion.service.command import Command
from pillion.service.contract import Contract
from pillion.service.service import Service

I = TypeVar("I")  # noqa: E741 - input
O = TypeVar("O")  # noqa: E741 - output


class MissingDoubleError(PillionError):
    """A handler called a command that nothing in the test answers."""

    def __init__(self, address: str, *, given: bool = False) -> None:
        command = address.rpartition(".")[2]
        setting = f"double({command}).returns(...), .raises(...) or .does(...)"
        if given:
            super().__init__(f"{address} was called, but its double has no answer; say {setting}")
        else:
            super().__init__(
                f"{address} was called, but neither its service nor a double of it is part of this test; give the "
                f"host its service, or doubles=[{setting}]"
            )


class Double(Generic[I, O]):
    """Answers a command in place of its service; made by ``double``.

    Attributes:
        command: which one.
        calls: the requests it got so far, decoded.
    """

    def __init__(self, command: Command[I, O]) -> None:
        self.command = command
        self.calls: list[I] = []
        self._answer: Callable[[I], O | Awaitable[O]] | None = None

    def returns(self, value: O) -> Self:
        """Answer every call with this value.

        Raises:
            TypeError: the value is not of the command's type.
        """
        self.command.output.encode(value)
        return self.does(lambda _: value)

    def raises(self, failure: Exception) -> Self:
        """Fail every call with this failure; it crosses the wire like a real one."""

        def fail(_: I) -> O:
            raise failure

        return self.does(fail)

    def does(self, function: Callable[[I], O | Awaitable[O]]) -> Self:
        """Answer with what this function makes of the request; it may be ``async``, and may raise."""
        self._answer = function
        return self

    @property
    def ready(self) -> bool:
        """Whether it was told how to answer."""
        return self._answer is not None

    async def answer(self, request: I) -> O:
        """What the command's handler would answer."""
        self.calls.append(request)
        if self._answer is None:  # pragma: no cover - calls of such a double are refused before
            raise MissingDoubleError(self.command.address, given=True)
        answer = self._answer(request)
        return cast("O", await answer if inspect.isawaitable(answer) else answer)


def double(command: Command[I, O]) -> Double[I, O]:
    """A double of this command; say what it answers with ``returns``, ``raises`` or ``does``."""
    return Double(command)


def stand_ins(services: Sequence[Service[Any, Any]], doubles: Iterable[Double[Any, Any]]) -> list[Service[Any, Any]]:
    """Services that handle the doubled commands.

    Raises:
        DeclarationError: a doubled command's service is hosted, or a command is doubled twice.
    """
    hosted = {service.group for service in services}
    made: dict[str, Service[Any, Any]] = {}
    for found in doubles:
        command = found.command
        if command.group in hosted:
            raise DeclarationError(f"{command.address}: its service is hosted; leave out the service or the double")
        service = made.setdefault(command.group, Service(Contract(command.service, command.version)))
        if command.name in service.contract.commands:
            raise DeclarationError(f"{command.address} has two doubles; give it one")
        service.contract.commands[command.name] = command
        service.handles(command)(_handler(found))
    return list(made.values())


class Unanswered:
    """Knows which commands nothing in the test answers, and remembers who called one all the same.

    Attributes:
        found: what was called without an answer.
    """

    def __init__(self, services: Sequence[Service[Any, Any]], doubles: Iterable[Double[Any, Any]]) -> None:
        self._doubles = {double.command.address: double for double in doubles}
        hosted = {command.address for service in services for command in service.contract.commands.values()}
        called = {c.address for service in services for handler in handlers(service) for c in handler.calls}
        self._absent = called - hosted - set(self._doubles)
        self.found: list[MissingDoubleError] = []

    def check(self, address: str) -> None:
        """See that this command is answered.

        Raises:
            MissingDoubleError: it is not; the text says how to change that.
        """
        double = self._doubles.get(address)
        if address in self._absent or (double is not None and not double.ready):
            self.found.append(MissingDoubleError(address, given=double is not None))
            raise self.found[-1]


def _handler(found: Double[Any, Any]) -> Callable[[Any], Awaitable[Any]]:
    # Without annotations it fits every command.
    async def respond(request):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        return await found.answer(request)

    return respond
