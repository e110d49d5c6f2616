"""Where the fields of a command's input come from in an HTTP request; the one model validates them all together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import from_json, to_json
from starlette.datastructures import QueryParams
from starlette.requests import Request

from pillion.errors import DeclarationError, Failure, FieldError, InvalidInput
from pillion.service.command import Command
from pillion.service.expose import Expose

_WITHOUT_BODY = ("GET", "DELETE")


class UnsupportedMediaType(Failure):
    """The body's content type is not the one that this route takes."""

    status = 415
    expected: str


class BodyTooLarge(Failure):
    """The body is larger than this server takes."""

    status = 413
    limit_bytes: int


class Binding:
    """Makes a command's payload of a request.

    Args:
        command: the command.
        expose: how it is exposed.
        schema: JSON Schema of its input, with ``definitions`` resolved by ``resolve``.
        definitions: what ``$ref`` in the schema names.
        limit: larger bodies are refused; bytes.

    Attributes:
        fields: JSON Schema of each input field by name; None when the input is no object.
        path: names that come from the path.
        query: names that come from the query.
        body: a body is read.

    Raises:
        DeclarationError: the path or ``query=`` names what the input does not have.
    """

    def __init__(
        self,
        command: Command[Any, Any],
        expose: Expose,
        schema: Mapping[str, Any],
        definitions: Mapping[str, Any],
        limit: int,
    ) -> None:
        self._input = command.input
        self._definitions = definitions
        self._schema = self.resolve(schema)
        self._limit = limit
        self._nothing = command.input_type in (None, type(None))
        self.fields: Mapping[str, Any] | None = self._schema.get("properties")
        self.path = expose.path_fields
        self.body = expose.method not in _WITHOUT_BODY and not self._nothing
        self.query = expose.query
        if not self.body and self.fields is not None:
            self.query = tuple(name for name in self.fields if name not in self.path)
        self._open_query = not self.body and self.fields is not None
        if self.fields is None and (self.path or self.query):
            self.body = False
        self._check(f"{command.address}: {expose.method} {expose.path}")

    def resolve(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """The schema itself, or what it refers to."""
        reference = schema.get("$ref")
        return schema if reference is None else self._definitions[reference.rpartition("/")[2]]

    def parameter_schema(self, name: str) -> Mapping[str, Any]:
        """JSON Schema of a path or query parameter."""
        return self._schema if self.fields is None else self.fields[name]

    @property
    def required(self) -> Sequence[str]:
        """The fields that have to be given."""
        return (*self._schema.get("required", ()), *(self.query if self.fields is None else ()))

    @property
    def remaining(self) -> dict[str, Any]:
        """JSON Schema of the body when some fields come from elsewhere."""
        taken = {*self.path, *self.query}
        fields = {name: schema for name, schema in (self.fields or {}).items() if name not in taken}
        required = [name for name in self.required if name not in taken]
        return {**self._schema, "properties": fields, "required": required}

    async def read(self, request: Request) -> Any:
        """The payload in this request.

        Raises:
            InvalidInput: it is not valid.
            UnsupportedMediaType, BodyTooLarge: the body is not one that this route reads.
        """
        if self._nothing:
            return None
        body = await self._body(request) if self.body else b""
        if self.body and not (self.path or self.query):
            return self._input.read(body)
        given = self._parameters(request)
        if self.fields is None:
            (value,) = given.values() or (None,)
            return self._input.read(to_json(value))
        return self._input.read(to_json({**self._members(body, given), **given}))

    def _check(self, where: str) -> None:
        names = [*self.path, *self.query]
        if self.fields is not None:
            unknown = sorted(set(names) - set(self.fields))
            if unknown:
                raise DeclarationError(f"{where}: {', '.join(unknown)} is no field of its input; correct the name")
            return
        if self._nothing and names:
            raise DeclarationError(f"{where}: the command takes nothing, so leave {', '.join(names)} out")
        if len(names) > 1 or not (names or self.body or self._nothing):
            raise DeclarationError(
                f"{where}: the input is one value without named fields; name it once, in the path or in query=, or use "
                "a method with a body"
            )

    def _parameters(self, request: Request) -> dict[str, Any]:
        given: dict[str, Any] = {}
        query = request.query_params
        names = query.keys() if self._open_query else [name for name in self.query if name in query]
        for name in names:
            given[name] = self._from_query(name, query)
        for name in self.path:
            given[name] = self._typed(request.path_params[name], self.parameter_schema(name))
        return given

    def _from_query(self, name: str, query: QueryParams) -> Any:
        if self.fields is not None and name not in self.fields:
            return query[name]  # whether unknown fields are allowed is for the model to say
        schema = self.resolve(self.parameter_schema(name))
        array = next((kind for kind in self._kinds(schema) if kind.get("type") == "array"), None)
        if array is None:
            return self._typed(query[name], schema)
        return [self._typed(text, array.get("items", {})) for text in query.getlist(name)]

    def _typed(self, text: str, schema: Mapping[str, Any]) -> Any:
        """The text, or what it says in JSON where the schema has no room for text."""
        if any(kind.get("type", "string") == "string" for kind in self._kinds(schema)):
            return text
        try:
            # Not json.loads: that lets pass what cannot be written again (half of a pair of surrogates), and fails on
            # depth with an error of its own.
            return from_json(text)
        except ValueError:
            return text  # the model finds the words for what is wrong with it

    def _kinds(self, schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        found = self.resolve(schema)
        choices = found.get("anyOf") or found.get("oneOf")
        return [kind for choice in choices for kind in self._kinds(choice)] if choices else [found]

    def _members(self, body: bytes, given: Mapping[str, Any]) -> dict[str, Any]:
        """The body's fields, beside those that come from path and query."""
        if not body:
            return {}
        try:
            members = from_json(body)
        except ValueError as error:
            raise _invalid("", f"Invalid JSON: {error}", "json_invalid") from None
        if not isinstance(members, dict):
            raise _invalid("", "Input should be an object", "model_type")
        for name in members:
            if name in self.path or name in given:
                raise _invalid(name, "Comes from the path or the query, so leave it out of the body", "extra_forbidden")
        return members

    async def _body(self, request: Request) -> bytes:
        chunks, size = [], 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > self._limit:
                raise BodyTooLarge(limit_bytes=self._limit)
            chunks.append(chunk)
        if size and not self._fits(request.headers.get("content-type", "")):
            raise UnsupportedMediaType(expected=self._input.content_type)
        return b"".join(chunks)

    def _fits(self, content_type: str) -> bool:
        media = content_type.partition(";")[0].strip().lower()
        return not media or self._input.binary or media == "application/json" or media.endswith("+json")


def _invalid(field: str, message: str, kind: str) -> InvalidInput:
    return InvalidInput(errors=[FieldError(field=field, message=message, type=kind)])
