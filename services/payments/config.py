"""Settings of the payments service: ``PAYMENTS_…`` variables, or the section ``payments`` of the config file."""

from __future__ import annotations

from pydantic import BaseModel, Field


class PaymentsConfig(BaseModel):
    """Settings.

    Attributes:
        limit: more than so many cents are declined at once.
        declined: cards that are always declined, for trying out.
    """

    limit: int = Field(default=1_000_000, ge=1)
    declined: tuple[str, ...] = ("4000000000000002",)
