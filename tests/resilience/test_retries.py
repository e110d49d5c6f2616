"""Of several retry policies the first that fits is followed."""

from __future__ import annotations

from pillion.outcome import Retry
from pillion.resilience.retries import Retries

OS = Retry(attempts=2, on=OSError)
VALUES = Retry(attempts=3, on=(ValueError, KeyError))
ANY = Retry(attempts=4)


def test_without_policies_the_default_fits_all() -> None:
    found = Retries([]).of(ConnectionError())
    assert found is not None
    assert (found.attempts, found.on) == (5, ())


def test_the_first_that_fits_is_followed() -> None:
    retries = Retries([OS, VALUES, ANY])
    errors = (ConnectionError(), KeyError(), ValueError(), RuntimeError())
    assert [retries.of(error) for error in errors] == [OS, VALUES, VALUES, ANY]
    assert Retries([ANY, OS]).of(OSError()) is ANY


def test_what_none_fits_is_not_tried_again() -> None:
    assert Retries([OS, VALUES]).of(RuntimeError()) is None


def test_a_handler_that_asks_for_another_attempt_gets_the_general_policy_or_the_first() -> None:
    assert Retries([OS, ANY]).of(None) is ANY
    assert Retries([OS, VALUES]).of(None) is OS


def test_a_failure_is_named_only_by_a_policy_for_its_kind() -> None:
    assert Retries([VALUES, ANY]).named(KeyError())
    assert not Retries([VALUES, ANY]).named(OSError())
    assert not Retries([]).named(OSError())
