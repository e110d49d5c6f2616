from pydantic import BaseModel

from pillion import Contract

risk = Contract("risk")


class Assess(BaseModel):
    card: str
    amount: int


class Verdict(BaseModel):
    ok: bool
    why: str = ""


assess = risk.command("assess", Assess, Verdict)
