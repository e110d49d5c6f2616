"""Mails: which, to whom, and by which way."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from pillion import Cause, DeadlineExceeded, Event, Failure
from pillion.ports.bridge import Outgoing
from pillion.sidecar.ports import free_port
from pillion.testing.clock import FakeClock
from pillion.testing.doubles import double
from pillion.testing.harness import HostFactory
from services.inventory.contract import Line
from services.notifications.config import NotificationsConfig, Smtp
from services.notifications.contract import Mailed, mailed
from services.notifications.service import service
from services.orders.contract import Order, cancelled, confirmed, rejected
from services.users.contract import SignedUp, User, UserUnknown, look_up, signed_up, verified

ADA = User(user_id="u-1", email="ada@example.com", name="Ada")
ORDER = Order(
    order_id="o-1", email=ADA.email, lines=[Line(sku="tea", quantity=2)], status="confirmed", total=900, reason="why"
)


def into(folder: Path) -> dict[str, NotificationsConfig]:
    return {"notifications": NotificationsConfig(folder=folder)}


def mails(folder: Path) -> list[EmailMessage]:
    return [message_from_bytes(file.read_bytes(), policy=policy.default) for file in folder.glob("*.eml")]


@pytest.mark.parametrize(
    ("event", "payload", "said"),
    [
        (signed_up, SignedUp(user=ADA, code="c0de"), "c0de"),
        (verified, ADA, "Ada"),
        (confirmed, ORDER, "9.00"),
        (rejected, ORDER, "why"),
        (cancelled, ORDER, "9.00"),
    ],
)
async def test_each_event_is_told(
    host: HostFactory, tmp_path: Path, event: Event[Any], payload: Any, said: str
) -> None:
    known = double(look_up).returns(ADA)
    async with host(service, doubles=[known], config=into(tmp_path), capture=True) as app:
        await app.emit(event, payload)
        await app.until_quiet()
        (mail,) = mails(tmp_path)
        assert app.emitted(mailed) == [Mailed(to="ada@example.com", subject=mail["Subject"])]
    assert (mail["To"], mail["From"]) == ("ada@example.com", "shop@example.com")
    assert said in mail.get_content()
    assert mail.get_content().startswith("Hello Ada,")


@pytest.mark.parametrize("failure", [UserUnknown(user_id="u-2"), DeadlineExceeded(where="users.v1.look_up")])
async def test_a_guest_is_mailed_and_so_is_a_customer_whose_name_cannot_be_asked(
    host: HostFactory, tmp_path: Path, failure: Failure
) -> None:
    unknown = double(look_up).raises(failure)
    async with host(service, doubles=[unknown], config=into(tmp_path)) as app:
        await app.emit(confirmed, ORDER)
        await app.until_quiet()
    (mail,) = mails(tmp_path)
    assert unknown.calls == ["ada@example.com"]
    assert mail.get_content().startswith("Hello,\n\nYour order o-1 is on its way.")


async def test_an_event_that_comes_twice_is_mailed_once(host: HostFactory, tmp_path: Path) -> None:
    async with host(service, config=into(tmp_path), capture=True) as app:
        await app.emit(verified, ADA, correlation="c")
        await app.until_quiet()
        again = next(message for message in app.messages if message.type == verified.address)
        await app.host.bridge.publish([Outgoing(verified.topic, again)])
        await app.until_quiet()
        assert len(app.emitted(mailed)) == len(mails(tmp_path)) == 1


class Inbox:
    """What a mail server got."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"


async def test_mails_leave_through_the_server_of_the_settings(host: HostFactory) -> None:
    inbox = Inbox()
    server = Controller(inbox, hostname="127.0.0.1", port=free_port(), ready_timeout=30)
    server.start()
    try:
        config = {"notifications": NotificationsConfig(smtp=Smtp(host="127.0.0.1", port=server.port))}
        async with host(service, config=config) as app:
            await app.emit(verified, ADA)
            await app.until_quiet()
    finally:
        server.stop()
    assert [(mail["To"], mail["Subject"]) for mail in inbox.mails] == [("ada@example.com", "Welcome")]


async def test_a_folder_that_cannot_be_written_is_tried_again(host: HostFactory, tmp_path: Path) -> None:
    blocked = tmp_path / "mail"
    blocked.write_text("in the way")
    async with host(service, config=into(blocked), clock=FakeClock(), capture=True) as app:
        await app.emit(verified, ADA)
        await app.until_quiet()
        (letter,) = app.letters
    assert letter.subscriber == "notifications.v1.thank"


async def test_the_correlation_goes_on(host: HostFactory, tmp_path: Path) -> None:
    async with host(service, config=into(tmp_path), capture=True) as app:
        await app.host.emit(verified, ADA, cause=Cause(correlation_id="c-1", tenant_id="acme"))
        await app.until_quiet()
        told = next(message for message in app.messages if message.type == mailed.address)
    assert (told.correlation_id, told.tenant_id) == ("c-1", "acme")
