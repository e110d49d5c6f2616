"""Messages that are made at the same time share it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pillion.pipeline.present import Present

START = 1_800_000_000.0


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hand() -> Hand:
    return Hand()


def test_it_is_the_time_of_the_clock(hand: Hand) -> None:
    assert Present(hand).time() == datetime.fromtimestamp(START, UTC)


def test_it_is_never_more_than_a_millisecond_old(hand: Hand) -> None:
    present = Present(hand)
    for step in range(50):
        hand.now = START + step * 0.0003
        assert 0 <= hand.now - present.time().timestamp() < 0.001


def test_within_a_millisecond_it_is_made_once(hand: Hand) -> None:
    present = Present(hand)
    first = present.time()
    hand.now += 0.0005
    assert present.time() is first


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_it_follows_a_clock_that_is_set(hand: Hand, seconds: int) -> None:
    present = Present(hand)
    hand.now += seconds
    assert present.time() == datetime.fromtimestamp(START + seconds, UTC)
