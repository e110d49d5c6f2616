"""Reads a typed function once, when it is declared."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_origin, get_type_hints

from pillion.context import Context
from pillion.errors import DeclarationError


class Unannotated:
    """Stands for the type of a parameter or result that has no annotation."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What a handler takes and gives.

    Attributes:
        takes_context: one of its parameters is the context.
        context_first: the context comes before the payload.
        takes_payload: it has a parameter for the payload.
        payload: type of the payload; ``Unannotated`` without annotation, None when it takes none.
        result: type of the answer; ``Unannotated`` without annotation.
        is_async: it is a coroutine function.
    """

    takes_context: bool
    context_first: bool
    takes_payload: bool
    payload: Any
    result: Any
    is_async: bool


def place(function: Callable[..., Any]) -> str:
    """Module, name and line of a function, for messages about it."""
    code = getattr(function, "__code__", None)
    line = f":{code.co_firstlineno}" if code else ""
    return f"{function.__module__}.{getattr(function, '__qualname__', function)}{line}"


def read(function: Callable[..., Any]) -> Signature:
    """The signature of a handler.

    Raises:
        DeclarationError: it is no plain function, takes more than a payload and a context, or an annotation cannot be
            resolved.
    """
    _plain(function)
    hints = _hints(function)
    parameters = [_checked(parameter, function) for parameter in inspect.signature(function).parameters.values()]
    contexts = [index for index, p in enumerate(parameters) if _is_context(p, hints)]
    payloads = [p for index, p in enumerate(parameters) if index not in contexts]
    if len(contexts) > 1 or len(payloads) > 1:
        raise DeclarationError(
            f"{place(function)}: a handler takes one payload and, if it wants one, a Context; "
            f"this takes ({', '.join(p.name for p in parameters)})"
        )
    return Signature(
        takes_context=bool(contexts),
        context_first=contexts == [0],
        takes_payload=bool(payloads),
        payload=hints.get(payloads[0].name, Unannotated) if payloads else type(None),
        result=hints.get("return", Unannotated),
        is_async=inspect.iscoroutinefunction(function),
    )


def _plain(function: Callable[..., Any]) -> None:
    if not inspect.isroutine(function):
        raise DeclarationError(
            f"{function!r}: a handler is a function or a method; wrap this in one, or pass its method"
        )
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise DeclarationError(f"{place(function)}: a handler returns once and yields nothing; return a list instead")


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except NameError as error:
        raise DeclarationError(
            f"{place(function)}: the annotation names {error.name!r}, which is not defined at module level; "
            "define or import it there, and not under TYPE_CHECKING"
        ) from None


def _checked(parameter: inspect.Parameter, function: Callable[..., Any]) -> inspect.Parameter:
    if parameter.kind not in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
        raise DeclarationError(f"{place(function)}: {parameter} cannot be filled; take a payload and a Context")
    return parameter


def _is_context(parameter: inspect.Parameter, hints: dict[str, Any]) -> bool:
    hint = hints.get(parameter.name)
    if hint is None:
        return parameter.name in ("ctx", "context")
    return (get_origin(hint) or hint) is Context
