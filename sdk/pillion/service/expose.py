"""How a command is offered over HTTP."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from pillion.errors import DeclarationError

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


@dataclass(frozen=True, slots=True)
class Expose:
    """HTTP method and path of a command at the gateway.

    Attributes:
        method: HTTP method. For GET and DELETE, input fields that are not in the path come from the query.
        path: for example ``/orders/{order_id}``; names in braces are fields of the command's input.
        public: True needs no authentication. Default False: refused until the gateway has an authenticator.
        query: fields that come from the query string although the method has a body.
        status: HTTP status of success. Default 200.
        tags: groups in the API documents; default the service's name.

    Raises:
        DeclarationError: the path does not begin with a slash.
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

    @property
    def path_fields(self) -> tuple[str, ...]:
        """Names in braces, in order."""
        return tuple(re.findall(r"{(\w+)}", self.path))
