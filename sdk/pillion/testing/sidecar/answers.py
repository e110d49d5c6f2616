"""What daprd reads out of an application's answer to a delivery."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """What becomes of a message."""

    SUCCESS = "SUCCESS"
    RETRY = "RETRY"
    DROP = "DROP"


def of_single(status: int, body: bytes) -> Verdict:
    """The verdict on a single delivery: an empty, unreadable or status-less 2xx is SUCCESS, and 404 is DROP."""
    if status == 404:
        return Verdict.DROP
    if not 200 <= status <= 299:
        return Verdict.RETRY
    answer = _read(body)
    return _verdict(answer.get("status") or Verdict.SUCCESS) if isinstance(answer, dict) else Verdict.SUCCESS


def of_bulk(status: int, body: bytes, entry_ids: Iterable[str]) -> dict[str, Verdict]:
    """The verdict on each entry: what is empty, unreadable or not mentioned is RETRY, and 404 is DROP for all."""
    if status == 404:
        return dict.fromkeys(entry_ids, Verdict.DROP)
    given = _statuses(_read(body)) if 200 <= status <= 299 else {}
    return {entry_id: _verdict(given.get(entry_id)) for entry_id in entry_ids}


def _statuses(answer: Any) -> Mapping[str, Any]:
    entries = answer.get("statuses") if isinstance(answer, dict) else None
    if not isinstance(entries, list):
        return {}
    return {str(entry.get("entryId")): entry.get("status") for entry in entries if isinstance(entry, dict)}


def _verdict(status: Any) -> Verdict:
    return Verdict(status) if status in tuple(Verdict) else Verdict.RETRY


def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
