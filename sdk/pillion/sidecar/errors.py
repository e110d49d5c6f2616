"""The one map of foreign errors: what the sidecar answers, in the words and classes of pillion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from pillion.errors import ConflictError, PillionError, SecretNotFound, SidecarError, SidecarUnavailable

_COMPONENT_MISSING = (
    "no such component is loaded: check its name, its `scopes`, and that its YAML is in the sidecar's resources folder"
)
_REMEDIES: Mapping[str, str] = {
    "ERR_PUBSUB_NOT_FOUND": _COMPONENT_MISSING,
    "ERR_PUBSUB_NOT_CONFIGURED": _COMPONENT_MISSING,
    "ERR_STATE_STORE_NOT_FOUND": _COMPONENT_MISSING,
    "ERR_STATE_STORE_NOT_CONFIGURED": _COMPONENT_MISSING,
    "ERR_SECRET_STORE_NOT_FOUND": _COMPONENT_MISSING,
    "ERR_SECRET_STORES_NOT_CONFIGURED": _COMPONENT_MISSING,
    "ERR_CONFIGURATION_STORE_NOT_FOUND": _COMPONENT_MISSING,
    "ERR_CONFIGURATION_STORE_NOT_CONFIGURED": _COMPONENT_MISSING,
    "ERR_PUBSUB_FORBIDDEN": (
        "this app may not use the topic: add it to `publishingScopes` or `allowedTopics` of the component"
    ),
    "ERR_DIRECT_INVOKE": "the other app was not reached: check that it and its sidecar run, and its app id",
    "ERR_APP_CHANNEL_NIL": "the sidecar does not know this app's port: start it with --app-port",
    "ERR_STATE_STORE_NOT_SUPPORTED": "this state store cannot do that: choose another type in the profile",
    "ERR_STATE_STORE_TOO_MANY_TRANSACTIONS": "write fewer changes in one transaction",
}
_REMEDIES_BY_STATUS: Mapping[int, str] = {
    401: "the sidecar wants a token: set DAPR_API_TOKEN to the same value for the app and the sidecar",
    403: "access is denied: check the access control policy and the scopes of the component",
    404: "the sidecar knows no such API or resource: check the names, and `spec.api` of its Configuration",
    413: "the message is too large: raise --max-body-size of both sidecars, or send less",
    429: "the sidecar is limiting requests: send less at a time",
}
_CONFLICT_CODES = frozenset({"ERR_STATE_SAVE", "ERR_STATE_DELETE"})


class Answer(NamedTuple):
    """What the sidecar answered.

    Attributes:
        status: HTTP status.
        headers: names as the sidecar wrote them, looked up without regard to case.
        body: as it came.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether the sidecar did what was asked."""
        return 200 <= self.status < 300


class _Body(msgspec.Struct):
    errorCode: str = ""  # noqa: N815 - Dapr's name
    message: str = ""


def error_of(answer: Answer, doing: str) -> PillionError:
    """The error for an answer that is not ok.

    Args:
        answer: what the sidecar answered.
        doing: what was asked of it, as in ``publishing to topic 'a' of 'pubsub'``.

    Returns:
        ConflictError for a lost first write, SecretNotFound for a missing or forbidden secret, else SidecarError with
        the status and Dapr's ``errorCode``.
    """
    code, message = _told(answer.body)
    if answer.status == 409 and code in _CONFLICT_CODES:
        return ConflictError(f"{doing}: somebody else wrote first; read it again and repeat the change")
    if code == "ERR_PERMISSION_DENIED":
        return SecretNotFound(f"{doing}: {message}; allow it in `spec.secrets` of the sidecar's Configuration")
    if code == "ERR_SECRET_GET" and "not found" in message.lower():
        return SecretNotFound(f"{doing}: {message}")
    remedy = _REMEDIES.get(code) or _REMEDIES_BY_STATUS.get(answer.status, "")
    text = f"{doing} failed with {' '.join(filter(None, (str(answer.status), code)))}"
    return SidecarError("; ".join(filter(None, (f"{text}: {message}", remedy))), status=answer.status, code=code)


def unreachable(address: str, doing: str, reason: str) -> SidecarUnavailable:
    """The error for a request that got no answer."""
    return SidecarUnavailable(
        f"{doing}: no answer from the sidecar at {address} ({reason}); check that it runs and that DAPR_HTTP_PORT, or "
        "DAPR_HTTP_ENDPOINT, is right"
    )


def _told(body: bytes) -> tuple[str, str]:
    """Dapr's error code and message; a body that is no Dapr error is all message."""
    try:
        told = msgspec.json.decode(body, type=_Body)
    except msgspec.DecodeError:
        return "", body[:500].decode(errors="replace").strip() or "no reason given"
    return told.errorCode, told.message or "no reason given"
