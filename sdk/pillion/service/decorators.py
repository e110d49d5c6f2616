"""The types of the decorators: which functions fit a command or an event."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol, overload

from typing_extensions import TypeVar

from pillion.context import Context
from pillion.service.command import Command

I = TypeVar("I")  # noqa: E741 - input
O = TypeVar("O")  # noqa: E741 - output
S = TypeVar("S")
R = TypeVar("R")


class Handles(Protocol[I, O, S, R]):
    """Decorates a handler of ``I`` that answers ``O``, ``async`` or not, with or without a context and the payload."""

    @overload
    def __call__(self, function: Callable[[I], Coroutine[Any, Any, O]], /) -> Callable[[I], Coroutine[Any, Any, O]]: ...
    @overload
    def __call__(
        self, function: Callable[[Context[S, R], I], Coroutine[Any, Any, O]], /
    ) -> Callable[[Context[S, R], I], Coroutine[Any, Any, O]]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[[Context[S, R]], Coroutine[Any, Any, O]], /
    ) -> Callable[[Context[S, R]], Coroutine[Any, Any, O]]: ...
    @overload
    def __call__(self, function: Callable[[], Coroutine[Any, Any, O]], /) -> Callable[[], Coroutine[Any, Any, O]]: ...
    @overload
    def __call__(self, function: Callable[[I], O], /) -> Callable[[I], O]: ...
    @overload
    def __call__(self, function: Callable[[Context[S, R], I], O], /) -> Callable[[Context[S, R], I], O]: ...
    @overload
    def __call__(self, function: Callable[[Context[S, R]], O], /) -> Callable[[Context[S, R]], O]: ...
    @overload
    def __call__(self, function: Callable[[], O], /) -> Callable[[], O]: ...


class Declares(Protocol[S, R]):
    """Makes a command of a handler; its types are those of the function."""

    @overload
    def __call__(self, function: Callable[[Context[S, R], I], Coroutine[Any, Any, O]], /) -> Command[I, O]: ...
    @overload
    def __call__(self, function: Callable[[Context[S, R]], Coroutine[Any, Any, O]], /) -> Command[None, O]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[[I], Coroutine[Any, Any, O]], /
    ) -> Command[I, O]: ...
    @overload
    def __call__(self, function: Callable[[], Coroutine[Any, Any, O]], /) -> Command[None, O]: ...
    @overload
    def __call__(self, function: Callable[[Context[S, R], I], O], /) -> Command[I, O]: ...
    @overload
    def __call__(self, function: Callable[[Context[S, R]], O], /) -> Command[None, O]: ...
    @overload
    def __call__(self, function: Callable[[I], O], /) -> Command[I, O]: ...
    @overload
    def __call__(self, function: Callable[[], O], /) -> Command[None, O]: ...
