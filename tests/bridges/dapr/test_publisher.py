"""What the publisher keeps of topics it sends to."""

from __future__ import annotations

import pytest

from pillion.bridges.dapr import publisher
from pillion.bridges.dapr.publisher import Publisher
from pillion.message import Message
from pillion.ports.bridge import Outgoing
from pillion.sidecar.channel import SidecarChannel
from pillion.sidecar.settings import SidecarSettings
from pillion.testing.sidecar import FakeBroker, FakeSidecar


async def test_topics_of_callers_that_are_gone_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "_MOST_TOPICS", 10)
    broker = FakeBroker()
    async with FakeSidecar(broker, "app", None) as sidecar:
        channel = SidecarChannel(SidecarSettings(http_address=f"http://127.0.0.1:{sidecar.http_port}"))
        await channel.start()
        replies = Publisher(channel)
        for caller in range(35):
            await replies.publish([Outgoing(f"replies.{caller}", Message("1", "/x", "a.v1.b.reply", "1.0"))])
            assert len(replies._topics) <= 10
        await channel.close()
    assert all(len(broker.messages(f"replies.{caller}")) == 1 for caller in range(35))
