"""The OpenAPI side of a route: parameters, body and answers, from the same models that validate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from pillion.codec.payload import OCTETS
from pillion.errors import Failure, InvalidInput, Unauthenticated
from pillion.gateway.binding import Binding
from pillion.gateway.problems import CONTENT_TYPE, INVALID, SCHEMA
from pillion.service.command import Command
from pillion.service.expose import Expose

_TEMPLATE = "#/components/schemas/{model}"
_PROBLEM = {"$ref": _TEMPLATE.format(model="Problem")}
SECURITY = {"bearer": {"type": "http", "scheme": "bearer"}}


class Schemas:
    """JSON Schemas of all these commands; models of the same name get names that differ.

    Attributes:
        definitions: the models by name, for the document's components.
    """

    def __init__(self, commands: Sequence[Command[Any, Any]]) -> None:
        wanted: list[tuple[str, JsonSchemaMode, TypeAdapter[Any]]] = []
        for command in commands:
            wanted.append((command.address, "validation", TypeAdapter(command.input_type)))
            wanted.append((command.address, "serialization", TypeAdapter(command.output_type)))
        self._found, rest = TypeAdapter.json_schemas(wanted, ref_template=_TEMPLATE)
        self.definitions: dict[str, Any] = {"Problem": SCHEMA, **rest.get("$defs", {})}

    def input(self, command: Command[Any, Any]) -> dict[str, Any]:
        """Of its request."""
        return self._found[command.address, "validation"]

    def output(self, command: Command[Any, Any]) -> dict[str, Any]:
        """Of its answer."""
        return self._found[command.address, "serialization"]

    def failure(self, failure: type[Failure]) -> dict[str, Any]:
        """Of its problem, beside what all problems have."""
        prefix = f"{failure.__module__}.{failure.__qualname__}"
        found = failure.json_schema(ref_template=_TEMPLATE.format(model=f"{prefix}.{{model}}"))
        for name, definition in found.pop("$defs", {}).items():
            self.definitions[f"{prefix}.{name}"] = definition
        fields = found.get("properties", {})
        properties = {"code": {"const": failure.code}, **fields}
        return {"title": failure.__name__, "properties": properties, "required": found.get("required", [])}


def operation(command: Command[Any, Any], binding: Binding, schemas: Schemas, expose: Expose) -> dict[str, Any]:
    """The OpenAPI operation of a command.

    Source: https://spec.openapis.org/oas/v3.1.0#operation-object
    """
    found: dict[str, Any] = {"responses": _responses(command, schemas, expose)}
    parameters = [*_parameters(binding, binding.path, "path"), *_parameters(binding, binding.query, "query")]
    if parameters:
        found["parameters"] = parameters
    if binding.body:
        found["requestBody"] = _body(command, binding, schemas)
    if not expose.public:
        found["security"] = [{name: []} for name in SECURITY]
    return found


def _parameters(binding: Binding, names: Iterable[str], place: str) -> Iterable[dict[str, Any]]:
    required = binding.required
    for name in names:
        schema = binding.parameter_schema(name)
        described = {"description": schema["description"]} if "description" in schema else {}
        needed = place == "path" or name in required
        yield {"name": name, "in": place, "required": needed, "schema": dict(schema), **described}


def _body(command: Command[Any, Any], binding: Binding, schemas: Schemas) -> dict[str, Any]:
    if command.input.binary:
        return {"required": True, "content": {OCTETS: {"schema": {"type": "string", "format": "binary"}}}}
    taken = {*binding.path, *binding.query}
    schema = schemas.input(command) if not taken else binding.remaining
    content: dict[str, Any] = {"schema": schema}
    if command.examples:
        content["examples"] = dict(_examples(command, taken))
    required = not taken or bool(schema.get("required"))
    return {"required": required, "content": {"application/json": content}}


def _examples(command: Command[Any, Any], taken: Iterable[str]) -> Iterable[tuple[str, Any]]:
    """The command's examples, without the fields that do not come from the body."""
    adapter: TypeAdapter[Any] = TypeAdapter(command.input_type)
    for number, example in enumerate(command.examples, 1):
        value = adapter.dump_python(adapter.validate_python(example), mode="json", by_alias=True)
        if isinstance(value, Mapping):
            value = {name: item for name, item in value.items() if name not in taken}
        yield str(number), {"value": value}


def _responses(command: Command[Any, Any], schemas: Schemas, expose: Expose) -> dict[str, Any]:
    refusals: list[type[Failure]] = [InvalidInput] if expose.public else [InvalidInput, Unauthenticated]
    failures = list(dict.fromkeys([*refusals, *command.raises]))
    found: dict[str, Any] = {str(expose.status): _success(command, schemas, expose.status)}
    for code in dict.fromkeys(failure.status for failure in failures):
        found[str(code)] = _problem([failure for failure in failures if failure.status == code], schemas)
    found["default"] = {
        "description": "Any other failure.",
        "content": {CONTENT_TYPE: {"schema": _PROBLEM}},
    }
    return found


def _success(command: Command[Any, Any], schemas: Schemas, status: int) -> dict[str, Any]:
    described: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    if command.output.binary:
        described["content"] = {OCTETS: {"schema": {"type": "string", "format": "binary"}}}
    elif status != HTTPStatus.NO_CONTENT:
        described["content"] = {"application/json": {"schema": schemas.output(command)}}
    return described


def _problem(failures: Sequence[type[Failure]], schemas: Schemas) -> dict[str, Any]:
    text = "\n\n".join(f"`{failure.code}`: {failure.title}" for failure in failures)
    kinds = [INVALID if failure is InvalidInput else schemas.failure(failure) for failure in failures]
    schema = {"allOf": [_PROBLEM, kinds[0] if len(kinds) == 1 else {"anyOf": kinds}]}
    return {"description": text, "content": {CONTENT_TYPE: {"schema": schema}}}
