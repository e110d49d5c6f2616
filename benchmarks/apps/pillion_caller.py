"""Asks for quotes with pillion, beside its sidecar, by the transport that the environment says."""

from __future__ import annotations

import os

import uvloop

from benchmarks.apps.pillion_quotes import ask
from benchmarks.load import holding
from benchmarks.models import Quote, order
from pillion import Service
from pillion.runtime.assembly import assemble
from pillion.runtime.environment import host_settings


async def main() -> None:
    async with assemble([Service("asker")], host_settings(bridge="dapr"), os.environ) as host:

        async def call() -> Quote:
            return await host.call(ask, order(), timeout=10)

        await holding(call)


if __name__ == "__main__":
    uvloop.run(main())
