"""What is shown of dead letters, and what people are told to do about them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from pillion.cli.envelope import table
from pillion.cli.mailbox import Owner, mailboxes
from pillion.cli.selection import Found
from pillion.errors import FieldError, InvalidInput, UnknownHandler
from pillion.resilience.deadletter import dead_letter, malformed
from pillion.resilience.letters import Letter
from pillion.stores.memory import MemoryStateStore
from tests.cli.invoking import invoke
from tests.cli.letters import WEAK, dead, keep, listed, message, options


def show(profile: Path, *more: str) -> str:
    (letter,) = listed(options(profile))
    found = invoke("dlq", "show", letter["id"][:6], *options(profile), *more)
    assert found.exit_code == 0, found.stderr
    return found.stdout


def test_everything_is_shown(profile: Path) -> None:
    keep(profile, dead(tenant_id="acme", principal_id="ada", traceparent="00-1-2-01", subject="k"))
    text = show(profile)
    for part in (
        WEAK,
        "ValueError (500)",
        "failed 2 times",
        "m-1, source.v1.told",
        "acme",
        "ada",
        "c-1",
        "00-1-2-01",
    ):
        assert part in text
    assert "\n7\n" in text
    assert "and to no other" in text


def test_json_has_the_message_as_it_came(profile: Path) -> None:
    keep(profile, dead())
    found = json.loads(show(profile, "--json"))
    assert (found["service"], found["failure"], found["message"]["data"]) == ("fragile.v1", "ValueError", 7)


def test_malformed_bytes_are_dumped_and_explained(profile: Path) -> None:
    keep(profile, malformed(b"\xff\x00", "source.v1.told", "no JSON", WEAK))
    text = show(profile)
    assert "00000000  ff 00" in text
    assert "came from topic source.v1.told and are no CloudEvent" in text


def test_the_event_that_kills_sidecars_is_known(profile: Path) -> None:
    body = b'{"specversion":"1.0","id":"1","source":"s","type":"t","traceid":5}'
    keep(profile, malformed(body, "source.v1.told", "Expected `str`", WEAK))
    text = show(profile)
    assert '"traceid": 5' in text
    assert "a sidecar that does not subscribe raw dies of such an event" in text


def test_what_the_sidecar_set_aside_is_explained(profile: Path) -> None:
    keep(profile, message())
    text = show(profile)
    assert "the sidecar set it aside by itself" in text
    assert "--to HANDLER" in text


def test_what_expired_says_so(profile: Path) -> None:
    keep(profile, message(expiration=datetime(2026, 1, 1, tzinfo=UTC)))
    assert "because it expired (2026-01-01" in show(profile)


def test_an_unknown_id_is_a_usage_error(profile: Path) -> None:
    keep(profile)
    found = invoke("dlq", "show", "nope", *options(profile))
    assert found.exit_code == 2
    assert "`pillion dlq ls` shows which there are" in found.stderr


def test_replays_are_told_with_the_first_failure(profile: Path) -> None:
    first = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
    keep(profile, dead(first_failed=first, replays=2))
    text = show(profile)
    assert "\nfailed first  2026-11-20 12:00:00 UTC, " in text
    assert "\nreplays       2\n" in text


def test_each_thing_wrong_with_a_payload_has_a_line(profile: Path) -> None:
    errors = [
        FieldError(field="text", message="Field required", type="missing"),
        FieldError(field="", message="no note", type="x"),
    ]
    failure = InvalidInput(errors=errors)
    keep(profile, dead_letter(message(), WEAK, str(failure), failure))
    assert "The request is not valid\n               text: Field required\n               payload: no note\n" in show(
        profile
    )


def test_what_cannot_be_replayed_is_not_advised(profile: Path) -> None:
    keep(profile, dead(address="com.dapr.event.sent"))
    text = show(profile)
    assert "com.dapr.event.sent is no handler of fragile.v1" in text
    assert f"--profile {profile} --to HANDLER\n" in text


def test_a_letter_for_a_handler_that_nobody_has_is_given_to_another(profile: Path) -> None:
    keep(profile, dead_letter(message(), WEAK, "there is no handler", UnknownHandler(handler=WEAK)))
    text = show(profile)
    assert f"No running version of the service has the handler {WEAK}" in text
    assert "--to HANDLER\n" in text


def test_a_reason_is_cut_to_the_terminal() -> None:
    (mailbox,) = mailboxes(Owner("fragile", 1), MemoryStateStore(), "here", {})
    letter = Letter(id="0123456789abcdef", message_id="1", type="t", kept=0.0, subscriber=WEAK, title="word " * 50)
    *_, line = table([Found(mailbox, letter)], 5.0, 100)
    assert (len(line), line[-1]) == (100, "…")
