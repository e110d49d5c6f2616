from __future__ import annotations

from dataclasses import replace

import pytest

from tests.chaos.faults import FAULTS
from tests.chaos.oracle import Verdict
from tests.chaos.report import head, markdown, row, total
from tests.chaos.scenario import Plan, Result


@pytest.fixture
def quiet() -> Result:
    """Nothing struck, so nothing recovered."""
    verdict = Verdict(processed=500, lost=0, doubled=0, repeated=7, wrong=())
    return Result(Plan("redis"), FAULTS["none"], 500, 0, verdict, None, None, 10.0, 0, 0)


@pytest.fixture
def struck(quiet: Result) -> Result:
    verdict = Verdict(processed=499, lost=3, doubled=1, repeated=20, wrong=("3 times confirmed is lost",))
    return replace(
        quiet, fault=FAULTS["custody"], verdict=verdict, next_seconds=2.5, all_seconds=20.0, seconds=30.0, left=4
    )


def test_a_total_adds_up_and_has_the_longest_recovery(quiet: Result, struck: Result) -> None:
    slower = replace(struck, next_seconds=4.0, all_seconds=15.0)
    cells = total([quiet, struck, slower]).split()
    assert cells == ["total", "1500", "1498", "6", "2", "47", "0", "4.0", "20.0", "70.0"]


def test_a_total_without_strikes_has_no_recovery(quiet: Result) -> None:
    assert total([quiet]).split()[-3:] == ["-", "-", "10.0"]


def test_a_table_says_how_it_came_about_and_ends_with_the_total(quiet: Result, struck: Result) -> None:
    text = markdown([quiet, struck], {"full": "it has no limit"}, {}, "python -m it", "2030-01-02", 14.2)
    first, _, heads, _, *rows, _, missing = text.splitlines()
    assert first == "Measured on 2030-01-02 with `python -m it`, in 14 minutes."
    assert heads.startswith("| what goes wrong | published | processed | lost | doubled |")
    assert rows[1] == f"| {struck.fault.about} | 500 | 499 | 3 | 1 | 20 | 0 | 2.5 | 20.0 | 30.0 |"
    assert rows[2] == "| **total**, and the longest recovery | 1000 | 999 | 3 | 1 | 27 | 0 | 2.5 | 20.0 | 40.0 |"
    assert missing == "Without `full`: it has no limit."


def test_a_line_for_a_terminal_is_as_wide_as_its_head(quiet: Result, struck: Result) -> None:
    assert len(row(quiet)) == len(head())
    assert row(struck).splitlines()[1:] == [
        "    3 times confirmed is lost",
        "    4 messages are still with the broker",
    ]


def test_what_the_broker_itself_loses_is_named_and_does_not_count(quiet: Result, struck: Result) -> None:
    text = markdown([quiet, struck], {}, {"custody": "it forgets"}, "python -m it", "2030-01-02", 14.2)
    *_, counted, _, limit = text.splitlines()
    assert counted == "| **total**, and the longest recovery | 500 | 500 | 0 | 0 | 7 | 0 | - | - | 10.0 |"
    assert limit == f"Not in the total: {struck.fault.about} (499 of 500 orders arrived); it forgets."
    assert total([quiet, struck], {"custody"}) == total([quiet])
