"""How a service applies an effect: it reads a page, counts the effect, and writes the page if nobody else did."""

from __future__ import annotations

import os
from typing import Any

from pillion import Context, Retry
from tests.chaos.business.contract import Order, Page
from tests.chaos.business.journal import Journal

ONCE = "CHAOS_ONCE"
# The claim of an execution that nobody knows the end of lasts ten seconds longer than this.
_TIMEOUT_SECONDS = 15.0
# Orders that share a page get in each other's way, which is settled by trying again.
PATIENT = Retry(attempts=60, backoff="10ms..500ms")


def delivery(timeout: float = _TIMEOUT_SECONDS) -> dict[str, Any]:
    """Whether handlers take each message once, as the environment says: options of ``on`` and ``handles``."""
    once = {"once": True} if os.environ.get(ONCE) == "1" else {}
    return {"timeout": timeout, **once}


async def apply(
    context: Context[Any, Journal], effect: str, order: Order, key: object, *, amount: int = 0, status: str = ""
) -> None:
    """Apply an effect to the page under ``key`` and write it down in the journal.

    It is applied as often as this is called: only the delivery can see to it that it is once.

    Raises:
        ConflictError: somebody else wrote the page meanwhile.
    """
    pages = context.state.of(Page)
    found = await pages.get_item(str(key))
    page = found.value if found else Page()
    name = f"{order.number}:{effect}"
    page.effects[name] = page.effects.get(name, 0) + 1
    page.total += amount
    page.status = status or page.status
    await pages.set(str(key), page, etag=found.etag if found else None, first_write=found is None)
    context.resources.record(context, effect, order.number)
