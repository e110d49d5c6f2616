"""Failures as problem details.

Source: https://www.rfc-editor.org/rfc/rfc9457
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from pillion.errors import DeclarationError, Failure, InvalidInput, RemoteFailure

CONTENT_TYPE = "application/problem+json"
_MEMBERS = ("type", "title", "status", "detail", "instance", "code", "correlation_id")

SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "description": "Why a request failed (RFC 9457).",
    "type": "object",
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "description": "Stable name of the failure."},
        "correlation_id": {"type": "string", "description": "Finds everything that this request caused in the logs."},
    },
    "required": ["type", "title", "status", "code", "correlation_id"],
}

# What an ``InvalidInput`` has besides.
INVALID: dict[str, Any] = {
    "title": "InvalidInput",
    "properties": {
        "code": {"const": InvalidInput.code},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "detail": {"type": "string"},
                    "pointer": {"type": "string", "description": "JSON pointer to the field."},
                    "type": {"type": "string"},
                },
                "required": ["detail", "pointer", "type"],
            },
        },
    },
    "required": ["errors"],
}


def problem(failure: Failure, correlation_id: str) -> Response:
    """The answer for a failure; its data fields are members of the problem."""
    headers = {"WWW-Authenticate": "Bearer"} if failure.status == HTTPStatus.UNAUTHORIZED else {}
    return _response(failure.status, failure.code, failure.title, correlation_id, headers, **_members(failure))


def http_problem(status: int, detail: str, correlation_id: str, headers: Mapping[str, str] | None = None) -> Response:
    """The answer for what HTTP itself refuses, for example a path that does not exist."""
    phrase = HTTPStatus(status).phrase
    code = phrase.lower().replace(" ", "_").replace("-", "_")
    members = {} if detail in ("", phrase) else {"detail": detail}
    return _response(status, code, phrase, correlation_id, headers or {}, **members)


def check_members(failure: type[Failure], where: str) -> None:
    """See that a failure's fields can be members of a problem.

    Raises:
        DeclarationError: a field has the name of one of the standard members.
    """
    taken = sorted(set(_MEMBERS) & set(failure.json_schema().get("properties", {})))
    if taken:
        raise DeclarationError(
            f"{where}: {failure.__name__} has the field {', '.join(taken)}, which is a member of every HTTP problem; "
            "rename it"
        )


def _members(failure: Failure) -> dict[str, Any]:
    if isinstance(failure, RemoteFailure):
        return {}  # what a service behind the called one said was not meant for the public
    if isinstance(failure, InvalidInput):
        return {"errors": [_field(error["field"], error["message"], error["type"]) for error in failure.errors]}
    return {name: value for name, value in failure.data.items() if name not in _MEMBERS}


def _field(field: str, message: str, kind: str) -> dict[str, str]:
    return {"detail": message, "pointer": "#" + "".join(f"/{part}" for part in field.split(".") if part), "type": kind}


def _response(
    status: int, code: str, title: str, correlation_id: str, headers: Mapping[str, str], **members: Any
) -> Response:
    about = {"type": f"urn:pillion:problem:{code}", "title": title, "status": status, "code": code}
    body = {**about, "correlation_id": correlation_id, **members}
    return Response(json.dumps(body, ensure_ascii=False), status, dict(headers), CONTENT_TYPE)
