"""Places orders through every service and prints each message: what ``make demo`` runs.

A message stands below the one that caused it. The exit code is 1 when something is not as it should be.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from email import message_from_bytes, policy
from pathlib import Path
from tempfile import TemporaryDirectory

from pillion import Cause, Host, Message
from pillion.bridges.memory.bridge import MemoryBridge
from pillion.runtime.embedded import memory_stores
from pillion.runtime.settings import HostSettings
from pillion.telemetry.logs import configure
from services.inventory import contract as inventory
from services.inventory import service as inventory_service
from services.notifications import service as notifications_service
from services.notifications.config import NotificationsConfig
from services.orders import contract as orders
from services.orders import service as orders_service
from services.payments import service as payments_service
from services.users import contract as users
from services.users import service as users_service

MODULES = (users_service, inventory_service, payments_service, orders_service, notifications_service)
GOOD_CARD, BAD_CARD = "4242424242424242", "4000000000000002"


class Demo:
    """One visit to the shop.

    Args:
        host: runs all services.
        bridge: of the host; known to be quiet when everything is handled.
        mails: folder that mails are written to.
    """

    def __init__(self, host: Host, bridge: MemoryBridge, mails: Path) -> None:
        self._host = host
        self._bridge = bridge
        self._mails = mails
        self._wrong: list[str] = []

    async def run(self) -> list[str]:
        """What was not as it should be; empty when all was."""
        await self._sign_up()
        await self._host.call(
            inventory.stock, inventory.Stock(sku="book", quantity=5, price=1999), cause=Cause(correlation_id="stock")
        )
        await self._order("good-order", GOOD_CARD, "confirmed", left=3)
        await self._order("declined-order", BAD_CARD, "rejected", left=3)
        await self._bridge.broker.quiet()
        subjects = await asyncio.to_thread(self._subjects)
        wanted = ["Is this your address?", "Welcome", "Your order is confirmed", "Your order is rejected"]
        self._expect("mails", subjects, sorted(wanted))
        return self._wrong

    async def _sign_up(self) -> None:
        cause = Cause(correlation_id="sign-up")
        user = await self._host.call(users.sign_up, users.SignUp(email="ada@example.com", name="Ada"), cause=cause)
        await self._bridge.broker.quiet()
        code = await asyncio.to_thread(self._code)
        verified = await self._host.call(users.verify, users.Verify(user_id=user.user_id, code=code), cause=cause)
        self._expect("verified", verified.verified, True)

    async def _order(self, order_id: str, card: str, status: str, *, left: int) -> None:
        lines = [inventory.Line(sku="book", quantity=2)]
        request = orders.PlaceOrder(order_id=order_id, email="ada@example.com", card=card, lines=lines)
        order = await self._host.call(orders.place, request, cause=Cause(correlation_id=order_id))
        self._expect(f"status of {order_id}", order.status, status)
        await self._bridge.broker.quiet()
        item = await self._host.call(inventory.look_up, "book", cause=Cause(correlation_id="stock"))
        self._expect(f"books left after {order_id}", item.available, left)

    def _expect(self, what: str, found: object, wanted: object) -> None:
        if found != wanted:
            self._wrong.append(f"{what}: {found!r} instead of {wanted!r}")

    def _code(self) -> str:
        """The code in the mail."""
        mail = message_from_bytes(next(self._mails.glob("*.eml")).read_bytes(), policy=policy.default)
        return str(mail.get_payload()).rpartition("code is ")[2].strip()

    def _subjects(self) -> list[str]:
        return sorted(message_from_bytes(file.read_bytes())["Subject"] for file in self._mails.glob("*.eml"))


def trace(messages: Iterable[tuple[str, Message]]) -> Iterable[str]:
    """A line for each message, grouped by correlation, each below the one that caused it."""
    found = list(messages)
    for correlation in dict.fromkeys(message.correlation_id for _, message in found):
        yield f"\ncorrelation id {correlation}"
        ours = [pair for pair in found if pair[1].correlation_id == correlation]
        known = {message.id for _, message in ours}
        yield from _below(ours, [pair for pair in ours if pair[1].causation_id not in known], 1)


def _below(ours: list[tuple[str, Message]], level: list[tuple[str, Message]], depth: int) -> Iterable[str]:
    for topic, message in level:
        yield f"{'   ' * depth}{_line(topic, message)}"
        yield from _below(ours, [pair for pair in ours if pair[1].causation_id == message.id], depth + 1)


def _line(topic: str, message: Message) -> str:
    if topic == "reply":
        verb = f"failed with {message.failure_code}" if message.failure_code else "answered"
        return f"{verb:<9} {message.type.removesuffix('.reply')}  by {message.source}"
    verb = "call" if topic.endswith(".commands") else "send" if topic.endswith(".sends") else "event"
    return f"{verb:<9} {message.type}  from {message.source}  {bytes(message.data or b'').decode()[:100]}"


async def run() -> int:
    """The whole demonstration; its exit code."""
    messages: list[tuple[str, Message]] = []
    bridge = MemoryBridge(watch=lambda topic, message: messages.append((topic, message)))
    with TemporaryDirectory() as folder:
        host = Host(
            *(module.service for module in MODULES),
            bridge=bridge,
            stores=memory_stores(),
            settings=HostSettings(app="shop"),
            configs={"notifications": NotificationsConfig(folder=Path(folder))},
        )
        async with host:
            wrong = await Demo(host, bridge, Path(folder)).run()
    print(*trace(messages), sep="\n")  # noqa: T201
    print("\n" + ("\n".join(wrong) or f"All as it should be: {len(messages)} messages, 2 orders, 4 mails."))  # noqa: T201
    return 1 if wrong else 0


if __name__ == "__main__":
    configure(level="warning")
    sys.exit(asyncio.run(run()))
