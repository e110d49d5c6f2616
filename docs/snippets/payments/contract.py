from pydantic import BaseModel

from pillion import Contract, Failure

payments = Contract("payments", version=1)


class ChargeCard(BaseModel):
    order_id: str
    card: str
    amount: int


class Charged(BaseModel):
    order_id: str
    amount: int


class CardDeclined(Failure):
    """The card was declined."""

    status = 402
    reason: str


charge = payments.command("charge", ChargeCard, Charged, raises=[CardDeclined])
charged = payments.event("charged", Charged)
