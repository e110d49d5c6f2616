"""What the payments service offers: charging cards, and giving money back. Amounts are in cents."""

from __future__ import annotations

from pydantic import BaseModel, Field

from pillion import Contract, Expose, Failure

payments = Contract("payments", description="Charges and refunds.")


class Charge(BaseModel):
    """Take money for an order."""

    order_id: str
    amount: int = Field(ge=0, description="Cents.")
    # A real shop takes a token of its payment provider here, and never sees the card.
    card: str = Field(pattern=r"^\d{12,19}$", repr=False)


class Payment(BaseModel):
    """Money that was taken for an order."""

    order_id: str
    amount: int
    card_ending: str
    refunded: bool = False


class Refund(BaseModel):
    """Money that was given back: 0 when nothing had been taken."""

    order_id: str
    amount: int


class CardDeclined(Failure):
    """The card was declined."""

    status = 402
    reason: str


charged = payments.event("charged", Payment)
refunded = payments.event("refunded", Refund)

charge = payments.command(
    "charge",
    Charge,
    Payment,
    raises=[CardDeclined],
    timeout=10,
    description="Charge a card. Asking again for the same order does not charge twice.",
)
refund = payments.command(
    "refund",
    str,
    Refund,
    timeout=10,
    expose=Expose("POST", "/payments/{order_id}/refund"),
    description="Give back what was charged for this order. Harmless when nothing was, or when it is done already.",
)
