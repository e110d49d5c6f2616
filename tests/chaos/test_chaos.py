"""A short set of faults on every push; ``make chaos`` runs all of them, with as many messages as you like."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.faults import FAULTS
from tests.chaos.report import row
from tests.chaos.scenario import Plan, play
from tests.daprd import require_daprd

pytestmark = [pytest.mark.daprd, pytest.mark.timeout(240)]
MESSAGES = 150
PROFILES = {
    "redis": ("app-after-write", "app-before-acknowledgement", "full", "duplicates"),
    "rabbitmq": ("app-after-publish", "rolling", "duplicates"),
}


@pytest.mark.parametrize(
    ("profile", "fault"),
    [
        pytest.param(profile, fault, marks=getattr(pytest.mark, profile))
        for profile, faults in PROFILES.items()
        for fault in faults
    ],
)
async def test_every_order_ends_once_whatever_happens(profile: str, fault: str, tmp_path: Path) -> None:
    require_daprd()
    result = await play(Plan(profile, messages=MESSAGES, once=True), FAULTS[fault], tmp_path)
    assert result.verdict.good, row(result)


@pytest.mark.redis
async def test_the_oracle_sees_what_is_doubled_without_once(tmp_path: Path) -> None:
    require_daprd()
    result = await play(Plan("redis", messages=100, once=False), FAULTS["duplicates"], tmp_path)
    assert result.verdict.lost == 0, row(result)
    assert result.verdict.doubled > 0, row(result)
