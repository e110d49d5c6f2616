"""The pytest plugin: pytest loads it in every project that has pillion installed, so it imports nothing until asked.

``pillion_host`` runs services on the memory bridge for one test::

    async def test_a_card_is_charged(host):
        async with host(payments, doubles=[double(assess).returns(Verdict(ok=True))], capture=True) as app:
            assert await app.call(charge, ChargeCard(card="4111", amount=5)) == Charged(amount=5)
            await app.until_quiet()
            assert app.emitted(charged) == [Charged(amount=5)]

It is a plain fixture, so any asyncio plugin can run the test. ``host`` is its short name; a plugin that has a fixture
of this name already (pytest-testinfra does) keeps it, and so does a ``conftest.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pillion.testing.harness import HostFactory


class ShortNames:
    """Fixtures under names that others may have taken."""

    @pytest.fixture
    def host(self, pillion_host: HostFactory) -> HostFactory:
        """Short for ``pillion_host``."""
        return pillion_host


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Offer the short names, unless another plugin has them."""
    if not any(hasattr(plugin, "host") for plugin in config.pluginmanager.get_plugins()):
        config.pluginmanager.register(ShortNames(), "pillion-short-names")


@pytest.fixture
def pillion_host() -> HostFactory:
    """What runs services for one test; it is ``pillion.testing.harness.hosted``."""
    from pillion.testing.harness import hosted  # noqa: PLC0415

    return hosted
