"""Payloads on the command line: JSON as an argument, from a file or from standard input."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from pillion.errors import ConfigurationError


def read_payload(text: str) -> bytes:
    """The bytes that an argument stands for: ``@file``, ``-`` for standard input, else the text itself.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    if text == "-":
        return sys.stdin.buffer.read()
    if not text.startswith("@"):
        return text.encode()
    try:
        return Path(text[1:]).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"payload {text}: {error.strerror}; name a file of JSON after the @") from None


def read_json(text: str) -> bytes:
    """The same, when it has to be JSON.

    Raises:
        ConfigurationError: it is not; the text says where it stops being JSON.
    """
    body = read_payload(text)
    try:
        msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigurationError(
            f'the payload is no JSON: {error}; quote it for the shell, as in \'{{"name": "Ada"}}\' or \'"text"\''
        ) from None
    return body


def pretty(body: bytes) -> bytes:
    """JSON as people read it."""
    return msgspec.json.format(body, indent=2)
