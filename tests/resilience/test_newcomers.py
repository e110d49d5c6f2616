from __future__ import annotations

from pillion.pipeline.facilities import Ids
from pillion.resilience.newcomers import Newcomers


def test_what_is_later_than_all_that_has_begun_is_new() -> None:
    ids = Ids()
    newcomers, first, second = Newcomers(ids.number), ids.next(), ids.next()
    assert newcomers.begin(f"bill:{first}")
    assert newcomers.begin(f"bill:{second}")


def test_what_comes_again_or_late_may_have_been_handled() -> None:
    ids = Ids()
    newcomers, first, second = Newcomers(ids.number), ids.next(), ids.next()
    assert newcomers.begin(f"bill:{second}")
    assert not newcomers.begin(f"bill:{second}")
    assert not newcomers.begin(f"bill:{first}")


def test_each_handler_has_newcomers_of_its_own() -> None:
    ids = Ids()
    newcomers, id_ = Newcomers(ids.number), ids.next()
    assert newcomers.begin(f"bill:{id_}")
    assert newcomers.begin(f"book:{id_}")


def test_what_was_made_elsewhere_may_have_been_handled() -> None:
    newcomers, elsewhere = Newcomers(Ids().number), Ids().next()
    for name in (f"bill:{elsewhere}", "bill:7", "bill:#5f", "5f", "bill:x-²", ""):
        assert not newcomers.begin(name)
