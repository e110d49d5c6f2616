"""Every error of pillion: one tree, whose texts say what happened, where, and what to do.

``Failure`` is expected and crosses the wire typed; everything else under ``PillionError`` tells the people who
build or run the service that something has to change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self, dataclass_transform, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from typing_extensions import TypedDict


class PillionError(Exception):
    """Root of all errors raised by pillion."""


class DeclarationError(PillionError):
    """A contract, service, handler or subscription is declared wrongly. Raised at import or at start."""


class ConfigurationError(PillionError):
    """Settings, a profile or a component do not fit what the services need. Raised at start."""


class UndeclaredError(PillionError):
    """A handler called or emitted something its declaration does not name in ``calls=`` or ``emits=``."""


class BridgeError(PillionError):
    """A message could not be handed to the bridge; it did not leave."""


class SidecarError(PillionError):
    """The Dapr sidecar refused or failed a request.

    Attributes:
        status: HTTP status of the sidecar's answer, or None when there was no answer.
        code: Dapr's ``errorCode``, for example ``ERR_PUBSUB_NOT_FOUND``; empty when unknown.
    """

    def __init__(self, text: str, *, status: int | None = None, code: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.code = code


class SidecarUnavailable(SidecarError):
    """No sidecar answered: it is not started, still starting, or gone."""


class StoreError(PillionError):
    """A state, secret or configuration store could not do what was asked."""


class ConflictError(StoreError):
    """First write wins: the key was changed (or already exists) since its ETag was read."""


class SecretNotFound(StoreError):
    """The secret store has no such secret, or this service may not read it."""


class FieldError(TypedDict):
    """One thing wrong with a payload: where (``items.0.quantity``), what, and pydantic's error type."""

    field: str
    message: str
    type: str


@dataclass_transform(kw_only_default=True, eq_default=False, field_specifiers=(Field,))
class Failure(PillionError):
    """An expected failure of a command; the caller gets the same class back.

    Subclass it, name its ``code``, ``status`` and ``title``, and annotate its data fields::

        class CardDeclined(Failure):
            code = "card_declined"
            status = 402
            reason: str

        raise CardDeclined(reason="insufficient funds")

    Class attributes:
        code: stable identifier on the wire; defaults to the class name in snake case.
        status: HTTP status (400-599) at the gateway. Default 400.
        title: one sentence for people. Defaults to the first line of the docstring, else the code in words.
        retryable: whether trying the same again later may work. Default False.

    Raises:
        DeclarationError: at class creation, when status is no HTTP error status.
        pydantic.ValidationError: when constructed with fields of the wrong type.
        pydantic_core.PydanticSerializationError: when constructed with a value that JSON cannot hold.
    """

    code: ClassVar[str] = "failure"
    status: ClassVar[int] = 400
    title: ClassVar[str] = "The request failed"
    retryable: ClassVar[bool] = False
    _fields: ClassVar[type[BaseModel]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in cls.__name__).split()
        if "code" not in cls.__dict__:
            cls.code = "_".join(words)
        if "title" not in cls.__dict__:
            cls.title = (cls.__doc__ or " ".join(words).capitalize()).strip().splitlines()[0]
        if not 400 <= cls.status <= 599:
            raise DeclarationError(f"{cls.__qualname__}: status {cls.status} is no error; use an HTTP status 400-599")

    if TYPE_CHECKING:
        # A subclass's fields are its parameters. With **fields here, mypy finds no common type for [A, B] in raises=.
        def __init__(self) -> None: ...

    else:

        def __init__(self, **fields: Any) -> None:
            values = self._model().model_validate(fields)
            for name in self._names():
                setattr(self, name, getattr(values, name))
            super().__init__(self._sentence())
            # What cannot be written is told of here, where it is raised, and not to a caller who waits in vain.
            _ = values.model_dump(mode="json")

    @property
    def data(self) -> dict[str, Any]:
        """The data fields as JSON-compatible values."""
        return self._model().model_validate(self._values()).model_dump(mode="json", by_alias=True)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """The failure with these data fields, as they came over the wire.

        Raises:
            pydantic.ValidationError: when the fields do not fit this class.
        """
        return cls(**data)

    @classmethod
    def json_schema(cls, *, ref_template: str = "#/$defs/{model}") -> dict[str, Any]:
        """JSON Schema of the data fields; ``ref_template`` says how it refers to its definitions."""
        return cls._model().model_json_schema(ref_template=ref_template)

    def _values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._names()}

    @classmethod
    def _names(cls) -> Iterable[str]:
        return cls._model().model_fields

    @classmethod
    def _model(cls) -> type[BaseModel]:
        """The data fields; made when first needed, because annotations may name what is declared further down."""
        if "_fields" not in cls.__dict__:
            hints = get_type_hints(cls, include_extras=True)
            fields: dict[str, Any] = {
                name: (hint, getattr(cls, name, ...))
                for name, hint in hints.items()
                if getattr(hint, "__origin__", hint) is not ClassVar
            }
            config = ConfigDict(extra="forbid", validate_by_name=True, validate_by_alias=True)
            cls._fields = create_model(cls.__name__, __config__=config, **fields)
        return cls._fields

    def _sentence(self) -> str:
        details = ", ".join(f"{name}={value!r}" for name, value in self._values().items())
        return f"{self.title} ({details})" if details else self.title


class InvalidInput(Failure):
    """The request is not valid."""

    status = 400
    errors: list[FieldError]

    def _sentence(self) -> str:
        found = "; ".join(f"{one['field'] or 'payload'}: {one['message']}" for one in self.errors)
        return f"{self.title.removesuffix('.')}: {found}"

    @classmethod
    def of(cls, error: ValidationError) -> InvalidInput:
        """The failure that lists what pydantic found."""
        return cls(errors=field_errors(error.errors(include_url=False, include_context=False, include_input=False)))


def field_errors(errors: Sequence[Any]) -> list[FieldError]:
    """Pydantic's errors as wire-safe field errors, without the values that were sent."""
    return [FieldError(field=".".join(map(str, e["loc"])), message=e["msg"], type=e["type"]) for e in errors]


class Unauthenticated(Failure):
    """Who is asking is not known."""

    status = 401


class Forbidden(Failure):
    """The caller may not do this."""

    status = 403
    reason: str = ""


class NotFound(Failure):
    """There is no such thing."""

    status = 404
    what: str = ""


class UnknownCommand(Failure):
    """The service has no such command."""

    status = 404
    command: str


class UnknownHandler(Failure):
    """The service has no such handler."""

    status = 404
    handler: str


class IdempotencyKeyReused(Failure):
    """This idempotency key was used for another request."""

    status = 422
    key: str


class DeadlineExceeded(Failure):
    """No answer came before the deadline."""

    status = 504
    retryable = True
    where: str


class Unavailable(Failure):
    """The service cannot take the request now."""

    status = 503
    retryable = True
    reason: str = ""


class InternalError(Failure):
    """The service failed unexpectedly; its log has the details under the correlation id."""

    status = 500
    correlation_id: str


class RemoteFailure(Failure):
    """The called service failed with a code that its contract does not declare."""

    status = 502
    remote_code: str
    remote_status: int
    remote_title: str = ""
    remote_data: dict[str, Any] = Field(default_factory=dict)
