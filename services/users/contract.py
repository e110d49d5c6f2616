"""What the users service offers: who our customers are, and whether their address is theirs."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from pillion import Contract, Expose, Failure

users = Contract("users", description="Customers and their verified e-mail addresses.")


class SignUp(BaseModel):
    """Somebody wants to become a customer."""

    # What comes from outside is closed: a misspelt field is an error, not silence.
    model_config = ConfigDict(extra="forbid")

    email: str = Field(pattern=r"^[^@\s]+@[^@\s]+$", max_length=254)
    name: str = Field(min_length=1, max_length=100)


class Verify(BaseModel):
    """A customer shows the code that was mailed."""

    model_config = ConfigDict(extra="forbid")

    user_id: str
    code: str


class User(BaseModel):
    """A customer."""

    user_id: str
    email: str
    name: str
    verified: bool = False


class SignedUp(BaseModel):
    """Somebody became a customer; the code proves that the address is theirs."""

    user: User
    code: str = Field(repr=False)


class EmailTaken(Failure):
    """Somebody has signed up with this address already."""

    status = 409


class UserUnknown(Failure):
    """There is no such user."""

    status = 404
    user_id: str


class WrongCode(Failure):
    """This is not the code that was mailed."""

    status = 403


signed_up = users.event("signed_up", SignedUp)
verified = users.event("verified", User)

sign_up = users.command(
    "sign_up",
    SignUp,
    User,
    raises=[EmailTaken],
    expose=Expose("POST", "/users", public=True, status=201),
    description="Become a customer; a code is mailed to the address.",
    examples=[SignUp(email="ada@example.com", name="Ada")],
)
verify = users.command(
    "verify",
    Verify,
    User,
    raises=(UserUnknown, WrongCode),
    emits_result=verified,
    expose=Expose("POST", "/users/{user_id}/verification", public=True),
    description="Show the mailed code.",
)
# Only other services look customers up: over HTTP anybody could find out who our customers are.
look_up = users.command(
    "look_up",
    str,
    User,
    raises=[UserUnknown],
    timeout=5,
    description="Whose e-mail address this is.",
)
