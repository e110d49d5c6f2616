"""The notifications service: reacts to what happens elsewhere, and asks users for the name of whoever ordered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from pillion import Context, Failure, Retry, Service, Setup
from services.notifications.config import NotificationsConfig
from services.notifications.contract import Mailed, mailed, notifications
from services.notifications.mail import FolderPostbox, Postbox, SmtpPostbox, compose
from services.orders.contract import Order, cancelled, confirmed, rejected
from services.users.contract import SignedUp, User, look_up, signed_up, verified

_WEEK = timedelta(days=7)
_PATIENT = Retry(attempts=8, backoff="500ms..5s")  # mail servers come and go


@asynccontextmanager
async def open_postbox(setup: Setup[NotificationsConfig]) -> AsyncIterator[Postbox]:
    """The postbox that the settings ask for; the password comes from the secret store."""
    smtp = setup.settings.smtp
    if smtp is None:
        yield FolderPostbox(setup.settings.folder)
    else:
        yield SmtpPostbox(smtp, await setup.secrets.get(smtp.password_secret) if smtp.username else "")


service = Service(notifications, config=NotificationsConfig, resources=open_postbox)


@service.on(signed_up, emits=[mailed], retry=_PATIENT, once=_WEEK)
async def welcome(ctx: Context[NotificationsConfig, Postbox], event: SignedUp) -> None:
    text = f"Hello {event.user.name},\n\nyour code is {event.code}\n"
    await _mail(ctx, event.user.email, "Is this your address?", text)


@service.on(verified, emits=[mailed], retry=_PATIENT, once=_WEEK)
async def thank(ctx: Context[NotificationsConfig, Postbox], user: User) -> None:
    await _mail(ctx, user.email, "Welcome", f"Hello {user.name},\n\nnow we know that it is you.\n")


@service.on(confirmed, calls=[look_up], emits=[mailed], retry=_PATIENT, once=_WEEK)
async def tell_confirmed(ctx: Context[NotificationsConfig, Postbox], order: Order) -> None:
    text = f"Your order {order.order_id} is on its way. It costs {order.total / 100:.2f}.\n"
    await _mail(ctx, order.email, "Your order is confirmed", await _greeting(ctx, order) + text)


@service.on(rejected, calls=[look_up], emits=[mailed], retry=_PATIENT, once=_WEEK)
async def tell_rejected(ctx: Context[NotificationsConfig, Postbox], order: Order) -> None:
    text = f"We are sorry: your order {order.order_id} is rejected.\n{order.reason}\n"
    await _mail(ctx, order.email, "Your order is rejected", await _greeting(ctx, order) + text)


@service.on(cancelled, calls=[look_up], emits=[mailed], retry=_PATIENT, once=_WEEK)
async def tell_cancelled(ctx: Context[NotificationsConfig, Postbox], order: Order) -> None:
    text = f"Your order {order.order_id} is cancelled. You get {order.total / 100:.2f} back.\n"
    await _mail(ctx, order.email, "Your order is cancelled", await _greeting(ctx, order) + text)


async def _greeting(ctx: Context[NotificationsConfig, Postbox], order: Order) -> str:
    """The beginning of a mail about an order: by name to a customer, without one to a guest."""
    try:
        user = await ctx.call(look_up, order.email)
    except Failure:
        # UserUnknown for a guest. Any other tells that users cannot answer now: a name is not worth a late mail.
        return "Hello,\n\n"
    return f"Hello {user.name},\n\n"


async def _mail(ctx: Context[NotificationsConfig, Postbox], to: str, subject: str, text: str) -> None:
    """Mail, and tell so.

    Mail is no part of what ``once=`` writes together: a crash right after it left sends it again, with the same
    Message-ID.
    """
    mail = compose(ctx.message.id, ctx.settings.sender, to, subject, text)
    await asyncio.to_thread(ctx.resources.post, mail)
    ctx.emit(mailed, Mailed(to=to, subject=subject))
