"""The shop's public HTTP face. What it offers, and to whom, is said where each command is declared: ``expose=``.

Anybody may sign up and order. The rest is for the staff: set ``GATEWAY_TOKENS`` to let them in.
"""

from __future__ import annotations

from pillion import Gateway
from services.inventory.contract import inventory
from services.orders.contract import orders
from services.payments.contract import payments
from services.users.contract import users

gateway = Gateway([orders, inventory, payments, users], title="The shop")
