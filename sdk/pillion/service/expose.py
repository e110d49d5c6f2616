"""How a command is offered over HTTP."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from pillion.errors import DeclarationError

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
_METHODS = get_args(Method)
_FIELD = re.compile(r"{([a-zA-Z_][a-zA-Z0-9_]*)}")


@dataclass(frozen=True, slots=True)
class Expose:
    """HTTP method and path of a command at the gateway.

    Attributes:
        method: HTTP method. For GET and DELETE, input fields that are not in the path come from the query.
        path: for example ``/orders/{order_id}``; names in braces are fields of the command's input.
        public: True needs no authentication. Default False: refused until the gateway has an authenticator.
        query: fields that come from the query string although the method has a body.
        status: HTTP status of success, 200-299. Default 200.
        tags: groups in the API documents; default the service's name.

    Raises:
        DeclarationError: the path does not begin with a slash, or its braces hold something else than names, each once;
            or method or status is none of these.
    """

    method: Method
    path: str
    public: bool = False
    query: tuple[str, ...] = ()
    status: int = 200
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.path.startswith("/"):
            raise DeclarationError(f'expose path "{self.path}": it must begin with "/"')
        self._check_braces()
        if self.method not in _METHODS:
            raise DeclarationError(f"expose {self.path}: method {self.method!r} is none of {', '.join(_METHODS)}")
        if not 200 <= self.status <= 299:
            raise DeclarationError(f"expose {self.path}: status {self.status} is no success; use 200-299")

    @property
    def path_fields(self) -> tuple[str, ...]:
        """Names in braces, in order."""
        return tuple(_FIELD.findall(self.path))

    @property
    def shape(self) -> str:
        """The path without the names in its braces; paths of one shape are the same to whoever asks."""
        return _FIELD.sub("{}", self.path)

    def _check_braces(self) -> None:
        if set("{}") & set(_FIELD.sub("", self.path)):
            raise DeclarationError(
                f'expose path "{self.path}": braces hold the name of one field (ASCII letters, digits and underscores) '
                "and nothing else, no converter either, as in /orders/{order_id}; correct them"
            )
        if len(set(self.path_fields)) != len(self.path_fields):
            raise DeclarationError(f'expose path "{self.path}": a field can be in it once; leave out the second')
