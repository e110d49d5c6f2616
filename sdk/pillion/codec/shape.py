"""What the schema that pydantic makes of a type tells about its values on the wire."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, ValuesView
from typing import Any


def by_alias(schema: Any) -> bool | None:
    """Whether fields are to be written under their aliases; None when there are none.

    A type with an alias that is only for writing is written under its names, so that it can be read again.
    """
    aliased = list(_aliased(schema))
    return all(map(_readable, aliased)) if aliased else None


def masked(schema: Any) -> bool:
    """Whether values hold secrets that pydantic writes as asterisks; a serializer of one's own may tell them."""
    if isinstance(schema, Mapping):
        serialization = schema.get("serialization")
        if isinstance(serialization, Mapping) and (written_by := serialization.get("function")) is not None:
            return getattr(written_by, "__name__", "").startswith("_serialize_secret")
        schema = schema.values()
    return isinstance(schema, ValuesView | list | tuple) and any(map(masked, schema))


def _aliased(schema: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(schema, Mapping):
        if "validation_alias" in schema or "serialization_alias" in schema:
            yield schema
        schema = schema.values()
    elif not isinstance(schema, list | tuple):
        return
    for part in schema:
        yield from _aliased(part)


def _readable(field: Mapping[str, Any]) -> bool:
    written, read = field.get("serialization_alias"), field.get("validation_alias")
    return written in (None, read) or (isinstance(read, list) and [written] in read)
