"""What a retry policy may say: a wait that never ends could not be stored with a message."""

from __future__ import annotations

import math
from typing import Any

import pytest

from pillion import DeclarationError, Retry
from pillion.outcome import Backoff


@pytest.mark.parametrize("text", ["200ms..30s", "1s", ".5s..1.5m", "2h"])
def test_a_backoff_is_read(text: str) -> None:
    assert 0 < Backoff.parse(text).first < math.inf


@pytest.mark.parametrize("text", ["", "1", "soon", "-1s", "nans", "infs", "1e3s", "..1s", "1s..1d"])
def test_what_is_no_backoff_is_refused(text: str) -> None:
    with pytest.raises(DeclarationError, match="write a range"):
        Backoff.parse(text)


@pytest.mark.parametrize("after", [-1.0, math.inf, math.nan])
def test_an_attempt_that_would_never_come_is_refused(after: float) -> None:
    with pytest.raises(DeclarationError, match="after"):
        Retry(after=after)


@pytest.mark.parametrize("on", ["ValueError", [1], [ValueError, int]])
def test_what_is_no_exception_is_refused(on: Any) -> None:
    with pytest.raises(DeclarationError, match="exception class"):
        Retry(on=on)
