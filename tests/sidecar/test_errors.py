"""Answers of the sidecar become errors that say what to do."""

from __future__ import annotations

import json

import pytest

from pillion.errors import ConflictError, PillionError, SecretNotFound, SidecarError
from pillion.sidecar.errors import Answer, error_of, unreachable


def error(status: int, code: str = "", message: str = "it said so") -> PillionError:
    body = json.dumps({"errorCode": code, "message": message}).encode()
    return error_of(Answer(status, {}, body), "publishing to topic 'a' of 'pubsub'")


@pytest.mark.parametrize(
    ("status", "code", "remedy"),
    [
        (404, "ERR_PUBSUB_NOT_FOUND", "`scopes`"),
        (400, "ERR_STATE_STORE_NOT_FOUND", "`scopes`"),
        (401, "ERR_SECRET_STORE_NOT_FOUND", "`scopes`"),
        (403, "ERR_PUBSUB_FORBIDDEN", "`publishingScopes`"),
        (500, "ERR_DIRECT_INVOKE", "the other app"),
        (500, "ERR_APP_CHANNEL_NIL", "--app-port"),
        (413, "", "--max-body-size"),
        (401, "", "DAPR_API_TOKEN"),
    ],
)
def test_an_error_says_what_to_do(status: int, code: str, remedy: str) -> None:
    found = error(status, code)
    assert isinstance(found, SidecarError)
    assert (found.status, found.code) == (status, code)
    assert "publishing to topic 'a' of 'pubsub' failed with" in str(found)
    assert remedy in str(found)


def test_an_unknown_error_says_what_the_sidecar_said() -> None:
    assert str(error(500, "ERR_NEW")).endswith("failed with 500 ERR_NEW: it said so")


def test_a_body_that_is_no_dapr_error_is_told() -> None:
    found = error_of(Answer(401, {}, b"invalid api token\n"), "publishing")
    assert "failed with 401: invalid api token; the sidecar wants a token" in str(found)


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[1]", b'{"errorCode": 5}'])
def test_any_body_makes_an_error(body: bytes) -> None:
    assert "publishing failed with 500" in str(error_of(Answer(500, {}, body), "publishing"))


@pytest.mark.parametrize("code", ["ERR_STATE_SAVE", "ERR_STATE_DELETE"])
def test_a_lost_first_write_is_a_conflict(code: str) -> None:
    assert isinstance(error(409, code), ConflictError)


def test_another_conflict_is_not_about_state() -> None:
    assert isinstance(error(409, "DAPR_SCHEDULER_SCHEDULE_JOB"), SidecarError)


def test_a_missing_and_a_forbidden_secret_are_not_found() -> None:
    assert isinstance(error(500, "ERR_SECRET_GET", "secret x not found"), SecretNotFound)
    assert isinstance(error(403, "ERR_PERMISSION_DENIED"), SecretNotFound)
    assert isinstance(error(500, "ERR_SECRET_GET", "the vault is sealed"), SidecarError)


def test_no_answer_names_address_and_variable() -> None:
    text = str(unreachable("http://127.0.0.1:3500", "publishing", "connection refused"))
    assert "http://127.0.0.1:3500 (connection refused)" in text
    assert "DAPR_HTTP_PORT" in text
