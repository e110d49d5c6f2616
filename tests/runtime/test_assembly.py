"""A host embedded with a profile."""

from __future__ import annotations

from pathlib import Path

import pytest

from pillion.errors import ConfigurationError
from pillion.runtime.assembly import assemble
from pillion.runtime.settings import HostSettings
from pillion.service.service import Service
from services.inventory.service import service as inventory
from services.notifications.service import service as notifications
from services.orders.service import service as orders
from services.payments.service import service as payments
from services.users.service import service as users

ROOT = Path(__file__).parents[2]
STATE = """
kind: Component
metadata: {name: orders-state}
spec: {type: state.in-memory}
scopes: [orders]
"""


async def test_the_shop_finds_what_it_needs() -> None:
    shop = [users, inventory, payments, orders, notifications]
    assemble(shop, HostSettings(bridge="memory", profile=ROOT / "components/local"), {})


@pytest.mark.parametrize("environ", [{}, {"APP_ID": "desk"}])
async def test_scopes_hold_without_a_sidecar(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "state.yaml").write_text(STATE)
    settings, spy = HostSettings(bridge="memory", profile=tmp_path), Service("spy", state="orders-state")
    with pytest.raises(ConfigurationError, match=r'"orders-state" .* is for orders only; add spy'):
        assemble([spy], settings, environ)
    assemble([spy], settings.model_copy(update={"app": "orders"}), environ)


async def test_without_a_profile_components_may_have_any_name() -> None:
    assemble([Service("spy", state="anything")], HostSettings(bridge="memory"), {})
