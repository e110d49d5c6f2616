"""Failures across the wire: an exception here is the same exception at the caller."""

from __future__ import annotations

from typing import Any

import msgspec
from pydantic import ValidationError

from pillion.errors import (
    DeadlineExceeded,
    Failure,
    Forbidden,
    IdempotencyKeyReused,
    InternalError,
    InvalidInput,
    NotFound,
    RemoteFailure,
    Unauthenticated,
    Unavailable,
    UnknownCommand,
)
from pillion.message import Message
from pillion.service.command import Command, CommandFailed

# What any command may fail with, whether or not its contract says so.
_STANDARD: dict[str, type[Failure]] = {
    failure.code: failure
    for failure in (
        InvalidInput,
        Unauthenticated,
        Forbidden,
        NotFound,
        UnknownCommand,
        IdempotencyKeyReused,
        DeadlineExceeded,
        Unavailable,
        InternalError,
    )
}
_read = msgspec.json.Decoder(dict[str, Any]).decode


def wire_failure(error: BaseException, request: Message) -> Failure:
    """The failure the caller may see of any exception: unexpected ones become opaque."""
    if isinstance(error, Failure):
        return error
    return InternalError(correlation_id=request.correlation_id or request.id)


def report(failure: Failure) -> CommandFailed:
    """Payload of a command's ``failed`` event."""
    return CommandFailed(code=failure.code, status=failure.status, title=failure.title, data=failure.data)


def failure_of(reply: Message, command: Command[Any, Any]) -> Failure:
    """The failure in this reply, of the class that the contract has for its code; its traceback names the command."""
    failure = _failure_of(reply, command)
    failure.add_note(f"{command.address} answered this")
    return failure


def _failure_of(reply: Message, command: Command[Any, Any]) -> Failure:
    code = reply.failure_code or ""
    try:
        data = _read(reply.json or b"{}")
        known = command.failures.get(code) or _STANDARD.get(code)
        return known.from_data(data) if known else _remote(reply, code, data)
    except (msgspec.MsgspecError, ValidationError):
        # The peer's idea of this failure has other fields than ours: a newer or older contract.
        return _remote(reply, code, {})


def _remote(reply: Message, code: str, data: dict[str, Any]) -> RemoteFailure:
    return RemoteFailure(
        remote_code=code,
        remote_status=reply.failure_status or 500,
        remote_title=reply.failure_title or "",
        remote_data=data,
    )


def unreadable(command: Command[Any, Any], error: InvalidInput) -> RemoteFailure:
    """The failure of an answer that does not fit the caller's contract: the peer has another version of it."""
    return RemoteFailure(
        remote_code="unreadable_answer",
        remote_status=502,
        remote_title=f"the answer of {command.address} does not fit this contract of it",
        remote_data=error.data,
    )
