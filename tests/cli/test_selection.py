"""Which dead letters are meant: by id, handler, failure, age, service and version."""

from __future__ import annotations

from pathlib import Path

from tests.cli.invoking import invoke
from tests.cli.letters import WEAK, dead, keep, listed, options


def test_letters_are_listed_with_what_to_do_next(profile: Path) -> None:
    keep(profile, dead())
    lines = invoke("dlq", "ls", *options(profile)).stdout.splitlines()
    assert lines[0].split() == ["ID", "AGE", "HANDLER", "FAILURE", "ATTEMPTS", "MESSAGE", "REASON"]
    assert lines[1].split()[2:] == [WEAK, "ValueError", "1", "source.v1.told", "failed", "2", "times"]
    assert lines[2] == "1 dead letter. Next:"


def test_the_next_commands_are_complete(profile: Path) -> None:
    keep(profile, dead())
    (letter,) = listed(options(profile))
    where = f"--app tests.cli.fragile:service --profile {profile}"
    assert invoke("dlq", "ls", *options(profile)).stdout.splitlines()[3:] == [
        f"  pillion dlq show {letter['id']} {where}",
        f"  pillion dlq replay --all --dry-run {where}",
    ]


def test_without_letters_it_says_where_it_looked(profile: Path) -> None:
    keep(profile)
    found = invoke("dlq", "ls", *options(profile))
    assert (found.exit_code, found.stdout) == (0, f"no dead letters in fragile-state of {profile}\n")


def test_filters_are_all_to_hold(profile: Path) -> None:
    keep(profile, dead("old"), days_ago=3)
    keep(profile, dead("new"), dead("other", "fragile.v1.strong"))
    where = options(profile)
    ids = {
        filters: {letter["message_id"] for letter in listed(where, *filters)}
        for filters in [
            ("--older-than", "2d"), ("--newer-than", "30m"), ("--handler", WEAK), ("--failure", "ValueError"),
            ("--failure", "rude"), ("--correlation", "c-2"), ("--handler", WEAK, "--newer-than", "2h"),
        ]
    }  # fmt: skip
    assert list(ids.values()) == [
        {"old"},
        {"new", "other"},
        {"old", "new"},
        {"old", "new", "other"},
        set(),
        set(),
        {"new"},
    ]


def test_a_filter_that_nothing_passes_is_answered_with_what_there_is(profile: Path) -> None:
    keep(profile, dead("1"), dead("2", "fragile.v1.strong"))
    assert invoke("dlq", "ls", "--handler", "weak", *options(profile)).stdout == (
        f'none of 2 dead letters in fragile-state of {profile} has handler "weak", there are '
        "fragile.v1.strong, fragile.v1.weak\n"
    )


def test_the_id_of_the_message_names_its_letter(profile: Path) -> None:
    keep(profile, dead("1"), dead("2"))
    assert [letter["message_id"] for letter in listed(options(profile), "2")] == ["2"]


def test_all_versions_of_the_service_are_looked_through(profile: Path) -> None:
    keep(profile, dead())
    keep(profile, dead(address="fragile.v2.weak"), group="fragile.v2")
    keep(profile, dead(address="fragile.v7.weak"), group="fragile.v7")
    where = options(profile)
    assert {letter["service"] for letter in listed(where)} == {"fragile.v1", "fragile.v2", "fragile.v7"}
    assert {letter["service"] for letter in listed(where, "--service", "fragile.v2")} == {"fragile.v2"}


def test_an_id_may_be_shortened(profile: Path) -> None:
    keep(profile, dead("1"), dead("2"))
    one, other = (letter["id"] for letter in listed(options(profile)))
    assert [letter["id"] for letter in listed(options(profile), one[:8], other[:8])] == [one, other]
    found = invoke("dlq", "ls", "", *options(profile))
    assert (found.exit_code, f"is short for several dead letters: {one}, {other}" in found.stderr) == (2, True)


def test_an_age_that_is_none_is_a_usage_error(profile: Path) -> None:
    found = invoke("dlq", "ls", "--older-than", "3 weeks", *options(profile))
    assert found.exit_code == 2
    assert "such as 30m, 2h or 7d" in found.stderr


def test_an_unknown_service_is_answered_with_those_there_are(profile: Path) -> None:
    found = invoke("dlq", "ls", "--service", "orders", *options(profile))
    assert (found.exit_code, found.stderr) == (
        2,
        "pillion: there is no service orders here; --app offers fragile\n",
    )
