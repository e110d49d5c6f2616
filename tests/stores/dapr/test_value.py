"""Integers that daprd would round are kept as text, everything else as the JSON it is."""

from __future__ import annotations

import pytest

from pillion.stores.dapr.value import from_dapr, to_dapr


@pytest.mark.parametrize(
    "value",
    [
        b"5",
        b"null",
        b"9007199254740992",
        b'{"card":"4111111111111111"}',
        b"0.12345678901234567",
        b'["' + b"9" * 5000 + b'"]',
    ],
)
def test_values_that_daprd_keeps_are_left_alone(value: bytes) -> None:
    assert to_dapr(value) == value


@pytest.mark.parametrize(
    "value",
    [b"9007199254740993", b"-9007199254740993", b'{"id":9223372036854775807}', b"[" + b"9" * 5000 + b"]"],
)
def test_large_integers_are_kept_as_text(value: bytes) -> None:
    assert to_dapr(value).startswith(b'"pillion:json:')
    assert from_dapr(to_dapr(value)) == value


def test_text_that_looks_kept_comes_back_as_it_was() -> None:
    value = b'"pillion:json:5"'
    assert to_dapr(value) != value
    assert from_dapr(to_dapr(value)) == value
