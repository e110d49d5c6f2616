"""The whole shop in one process, with nothing installed: what ``make run`` starts."""

from __future__ import annotations

import json
import shlex
import sys

from pillion import Host
from pillion.cli.main import main
from services.gateway.service import gateway
from services.orders.contract import place

SERVICES = ("users", "inventory", "payments", "orders", "notifications")


class Hint:
    """Says how to order, once the gateway listens."""

    async def start(self, _: Host, /) -> None:
        """Print a curl line that places an order."""
        order = place.input.check(place.examples[0]).model_dump(exclude={"order_id"})
        words = ["curl", "-s", "-H", "content-type: application/json", "-d", json.dumps(order)]
        print(f"\nThe shop is open: http://127.0.0.1:{gateway.port}/docs. Place an order:\n")  # noqa: T201
        print(f"  {shlex.join(words)} http://127.0.0.1:{gateway.port}/orders\n", flush=True)  # noqa: T201

    async def stop(self) -> None:
        """Nothing to do."""


hint = Hint()

if __name__ == "__main__":
    targets = [f"services.{name}.service:service" for name in SERVICES]
    # What follows on the command line goes to `pillion run`, for example --reload.
    faces = ["services.gateway.service:gateway", "services.shop:hint"]
    main(["run", *targets, *faces, "--app-id", "shop", "--profile", "components/local", *sys.argv[1:]])
