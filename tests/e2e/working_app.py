"""Takes its time for each event and each command, then writes state and emits: what a stop must not tear apart."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from pydantic import BaseModel

from pillion import Context, Contract, Service


class Noted(BaseModel):
    what: str
    number: int


source = Contract("source")
told = source.event("told", int)
contract = Contract("orders")
noted = contract.event("noted", Noted)
orders = Service(contract)


@orders.on(told, concurrency=10, emits=[noted])
async def note(ctx: Context, number: int) -> None:
    await _do(ctx, "note", number)


@orders.command(concurrency=10, emits=[noted])
async def work(ctx: Context, number: int) -> int:
    await _do(ctx, "work", number)
    return number


async def _do(ctx: Context, what: str, number: int) -> None:
    with Path(os.environ["BEGUN_FILE"]).open("a", encoding="utf-8") as lines:  # noqa: ASYNC230 - a short line
        lines.write(f"{what} {number}\n")
    await asyncio.sleep(float(os.environ["WORK_SECONDS"]))
    await ctx.state.of(int).set(f"{what}-{number}", number)
    ctx.emit(noted, Noted(what=what, number=number))


def begun(file: Path, what: str) -> list[int]:
    """What it has begun of one kind."""
    lines = file.read_text().splitlines() if file.exists() else []
    return [int(number) for kind, number in map(str.split, lines) if kind == what]
