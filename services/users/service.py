"""The users service."""

from __future__ import annotations

import hmac
import secrets
from uuid import NAMESPACE_URL, uuid5

from pydantic import BaseModel

from pillion import Context, Service
from services.users.contract import (
    EmailTaken,
    SignedUp,
    SignUp,
    User,
    UserUnknown,
    Verify,
    WrongCode,
    look_up,
    sign_up,
    signed_up,
    users,
    verify,
)

service = Service(users)


class Account(BaseModel):
    """What is stored: the public part, and what only this service may know."""

    user: User
    code: str


@service.handles(sign_up, emits=[signed_up], once=True)
async def create_account(ctx: Context, request: SignUp) -> User:
    accounts, user_id = ctx.state.of(Account), _user_id(request.email)
    if await accounts.get(user_id):
        raise EmailTaken
    user = User(user_id=user_id, email=request.email, name=request.name)
    account = Account(user=user, code=secrets.token_urlsafe(16))
    await accounts.set(user_id, account)
    ctx.emit(signed_up, SignedUp(user=user, code=account.code))
    return user


@service.handles(verify, once=True)
async def check_code(ctx: Context, request: Verify) -> User:
    accounts = ctx.state.of(Account)
    account = await accounts.get(request.user_id)
    if account is None:
        raise UserUnknown(user_id=request.user_id)
    if not hmac.compare_digest(account.code.encode(), request.code.encode()):
        raise WrongCode
    account.user.verified = True
    await accounts.set(request.user_id, account)
    return account.user


@service.handles(look_up)
async def find_user(ctx: Context, email: str) -> User:
    user_id = _user_id(email)
    account = await ctx.state.of(Account).get(user_id)
    if account is None:
        raise UserUnknown(user_id=user_id)
    return account.user


def _user_id(email: str) -> str:
    """The same for the same address: one write both creates the user and claims the address."""
    return uuid5(NAMESPACE_URL, f"mailto:{email.lower()}").hex
