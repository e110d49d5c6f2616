"""Service invocation by real sidecars."""

from __future__ import annotations

from pathlib import Path

import pytest

from pillion.errors import RemoteFailure
from pillion.runtime.settings import HostSettings
from pillion.service.service import Service
from tests.conformance.daprworld import beside_daprd

LARGEST = 4 * 1024 * 1024
SETTINGS = HostSettings(commands="invocation")

sink = Service("sink")


@sink.command
async def measure(text: str) -> int:
    return len(text)


@pytest.mark.daprd
async def test_a_call_that_is_larger_than_the_sidecars_take_is_not_worth_a_retry(tmp_path: Path) -> None:
    async with beside_daprd("local", tmp_path, SETTINGS) as world:
        await world.start(sink)
        asker = await world.start(Service("asker"))
        assert await asker.call(measure, "x" * (LARGEST // 2)) == LARGEST // 2
        for size in (LARGEST, 2 * LARGEST):
            with pytest.raises(RemoteFailure, match=r"--max-body-size .* PILLION_CLAIM_CHECK_BYTES") as caught:
                await asker.call(measure, "x" * size)
            assert not caught.value.retryable
