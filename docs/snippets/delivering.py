from datetime import timedelta

from pydantic import BaseModel

from pillion import Breaker, Context, Contract, Failure, Pause, Retry, Service


class Transfer(BaseModel):
    account: str
    cents: int


class TooLittle(Failure):
    """There is not enough on the account."""

    status = 409
    account: str


accounts = Contract("accounts")
withdraw = accounts.command("withdraw", Transfer, int, raises=[TooLittle])
withdrawn = accounts.event("withdrawn", Transfer, key=lambda transfer: transfer.account)
reminder = accounts.event("reminder", Transfer)

rates = Contract("rates")
rate = rates.command("rate", str, float, timeout=2)

service = Service(accounts)


@service.handles(withdraw, emits=[withdrawn, reminder], once=True)
async def take(ctx: Context, transfer: Transfer) -> int:
    balances = ctx.state.of(int, name="balance")
    left = (await balances.get(transfer.account) or 0) - transfer.cents
    if left < 0:
        raise TooLittle(account=transfer.account)
    await balances.set(transfer.account, left)
    ctx.emit(withdrawn, transfer)
    ctx.emit(reminder, transfer, delay=3600, ttl=86_400)
    return left


audit = Service("audit", breaker=Breaker(failures=5, pause=10))


@audit.on(
    withdrawn,
    key="subject",
    once=timedelta(days=7),
    calls=[rate],
    retry=[Retry(on=TimeoutError, attempts=20, backoff="1s..1h"), Retry(on=ValueError, attempts=1), Retry()],
    pause=Pause(failures=20, wait="1s..1m"),
)
async def note(ctx: Context, transfer: Transfer) -> None:
    euros = await ctx.call(rate, "EUR", fallback=lambda _: 1.0)
    lines = await ctx.state.get(transfer.account, list[float]) or []
    await ctx.state.set(transfer.account, [*lines, transfer.cents / 100 * euros])
