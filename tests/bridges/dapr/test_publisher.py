"""What the publisher keeps of topics it sends to."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw

from pillion.bridges.dapr import publisher
from pillion.bridges.dapr.publisher import Publisher
from pillion.message import Message
from pillion.ports.bridge import Outgoing
from pillion.sidecar.channel import SidecarChannel
from pillion.sidecar.errors import Answer
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


async def test_what_is_too_large_for_one_request_leaves_in_several(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    class Channel(SidecarChannel):
        async def request(self, method: str, path: str, *, body: bytes = b"", **options: Any) -> Answer:
            if "/publish/" in path:
                sizes.append(len(body))
            return await super().request(method, path, body=body, **options)

    monkeypatch.setattr(publisher, "_LARGEST_REQUEST", 10_000)
    broker = FakeBroker()
    async with FakeSidecar(broker, "app", None) as sidecar:
        channel = Channel(SidecarSettings(http_address=f"http://127.0.0.1:{sidecar.http_port}"))
        await channel.start()
        payloads = [Raw(b'"' + b"x" * size + b'"') for size in [3000] * 10 + [20_000] + [10] * 10]
        events = [Message(str(n), "/x", "a.v1.b", "1.0", data=data) for n, data in enumerate(payloads)]
        await Publisher(channel).publish([Outgoing("a.v1.b", event) for event in events])
        await channel.close()
    assert len(broker.messages("a.v1.b")) == len(events)
    assert sum(size > 12_000 for size in sizes) == 1
