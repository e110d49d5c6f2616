"""One payload type: JSON text to value and value to JSON text, through pydantic, compiled once."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeAlias, TypeVar

from msgspec import UNSET, Raw, UnsetType
from pydantic import PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from pillion.codec.shape import by_alias, masked
from pillion.errors import DeclarationError, FieldError, InvalidInput
from pillion.message import Message

T = TypeVar("T")

JSON = "application/json"
OCTETS = "application/octet-stream"


# A CloudEvent's ``data`` and ``data_base64``; one of them is empty.
Packed: TypeAlias = tuple[Raw | UnsetType, str | None]


class Payload(Generic[T]):
    """Encodes and decodes values of one type. ``bytes`` travel as base64, everything else as JSON.

    Fields are written under their aliases, as in the JSON Schema, and read under these or their names. A type with an
    alias that is only for writing is written under its names, so that it can be read again.

    Attributes:
        type: any type that pydantic supports; None stands for "nothing".
        content_type: media type of the data on the wire.

    Raises:
        DeclarationError: pydantic cannot make a schema of the type, or would write asterisks for a part of it.
    """

    def __init__(self, type_: Any, where: str) -> None:
        self.type = type_
        self.binary = type_ in (bytes, bytearray)
        self.content_type = OCTETS if self.binary else JSON
        try:
            self._adapter: TypeAdapter[T] = TypeAdapter(type_)
        except PydanticUserError as error:
            raise DeclarationError(f"{where}: {type_!r} is no type that pydantic can validate: {error}") from None
        if masked(self._adapter.core_schema):
            raise DeclarationError(
                f"{where}: {type_!r} holds a SecretStr, which pydantic writes as asterisks, so that it would be "
                "lost on the way; make it a str, or give it a @field_serializer that tells it"
            )
        self._validate_json: Callable[[bytes | str], T] = self._adapter.validator.validate_json
        self._validate_python = self._adapter.validator.validate_python
        self._to_json: Callable[[T], bytes] = self._adapter.serializer.to_json
        aliases = by_alias(self._adapter.core_schema)
        if aliases is not None:  # most have none, and need not pay for them
            self._validate_json = partial(self._validate_json, by_name=True)
            self._to_json = partial(self._to_json, by_alias=aliases)

    def decode(self, message: Message) -> T:
        """The value in this message.

        Raises:
            InvalidInput: the data do not fit the type.
        """
        data = message.data
        try:
            if data is UNSET or self.binary:
                return self._unusual(message)
            return self._validate_json(bytes(data))
        except ValidationError as error:
            raise InvalidInput.of(error) from None
        except (binascii.Error, RecursionError) as error:
            raise InvalidInput(errors=[FieldError(field="", message=str(error), type="data")]) from None

    def read(self, body: bytes) -> T:
        """The value in a bare body: JSON text, or the bytes themselves.

        Raises:
            InvalidInput: the body does not fit the type.
        """
        try:
            return self._validate_python(body) if self.binary else self._validate_json(body)
        except ValidationError as error:
            raise InvalidInput.of(error) from None
        except RecursionError as error:
            raise InvalidInput(errors=[FieldError(field="", message=str(error), type="data")]) from None

    def check(self, value: Any) -> T:
        """The value, validated and converted in Python.

        Raises:
            pydantic.ValidationError: it does not fit the type.
        """
        return self._validate_python(value)  # type: ignore[no-any-return]

    def encode(self, value: T) -> bytes:
        """The value's bytes: JSON text, or the bytes themselves.

        Raises:
            TypeError: the value is not of this type.
        """
        try:
            checked = self._validate_python(value)
            return bytes(checked) if self.binary else self._to_json(checked)
        except (ValidationError, PydanticSerializationError) as error:
            raise self._other(value, error) from None

    def pack(self, value: T) -> Packed:
        """The value as the CloudEvent's ``data`` and ``data_base64``.

        Raises:
            TypeError: the value is not of this type.
        """
        if self.binary:
            return UNSET, base64.b64encode(self.encode(value)).decode("ascii")
        try:
            return Raw(self._to_json(self._validate_python(value))), None
        except (ValidationError, PydanticSerializationError) as error:
            raise self._other(value, error) from None

    def json_schema(self, *, output: bool = False) -> dict[str, Any]:
        """JSON Schema of the type, as it is read or as it is written."""
        return self._adapter.json_schema(mode="serialization" if output else "validation")

    def _other(self, value: object, error: Exception) -> TypeError:
        return TypeError(f"{value!r:.200} is no {self.type!r}: {error}")

    def _unusual(self, message: Message) -> T:
        if message.data_base64 is None:
            return self._validate_json(message.json or b"null")
        data = base64.b64decode(message.data_base64, validate=True)
        return data if self.binary else self._validate_json(data)  # type: ignore[return-value]
