"""Answers of an application are read as measured on daprd 1.18.2."""

from __future__ import annotations

import pytest

from pillion.testing.sidecar.answers import Verdict, of_bulk, of_single


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (200, b'{"status": "SUCCESS"}', Verdict.SUCCESS),
        (200, b"", Verdict.SUCCESS),
        (200, b"<html>", Verdict.SUCCESS),
        (204, b'{"status": ""}', Verdict.SUCCESS),
        (200, b'{"status": "success"}', Verdict.RETRY),
        (200, b'{"status": "RETRY"}', Verdict.RETRY),
        (200, b'{"status": "DROP"}', Verdict.DROP),
        (404, b"", Verdict.DROP),
        (422, b"", Verdict.RETRY),
        (500, b"", Verdict.RETRY),
    ],
)
def test_a_single_answer_is_read_like_daprd_does(status: int, body: bytes, verdict: Verdict) -> None:
    assert of_single(status, body) is verdict


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (200, b'{"statuses": [{"entryId": "1", "status": "SUCCESS"}]}', Verdict.SUCCESS),
        (200, b'{"statuses": [{"entryId": "1", "status": "DROP"}]}', Verdict.DROP),
        (200, b'{"statuses": [{"entryId": "1", "status": ""}]}', Verdict.RETRY),
        (200, b'{"statuses": []}', Verdict.RETRY),
        (200, b"", Verdict.RETRY),
        (200, b"<html>", Verdict.RETRY),
        (500, b"", Verdict.RETRY),
        (404, b"", Verdict.DROP),
    ],
)
def test_a_bulk_answer_is_read_like_daprd_does(status: int, body: bytes, verdict: Verdict) -> None:
    assert of_bulk(status, body, ["1"]) == {"1": verdict}
