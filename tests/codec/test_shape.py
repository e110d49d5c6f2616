from __future__ import annotations

from typing import Any

import pytest
from pydantic import Base64Str, BaseModel, Secret, SecretBytes, SecretStr, TypeAdapter, field_serializer

from pillion.codec.payload import Payload
from pillion.codec.shape import masked
from pillion.errors import DeclarationError


class Login(BaseModel):
    name: str
    password: SecretStr


class Told(BaseModel):
    password: SecretStr

    @field_serializer("password")
    def tell(self, password: SecretStr) -> str:
        return password.get_secret_value()


class Tree(BaseModel):
    leaves: list[Tree] = []


@pytest.mark.parametrize(
    "type_", [SecretStr, SecretBytes, Secret[int], Login, list[Login], dict[str, SecretStr | None], Login | None]
)
def test_a_secret_that_would_be_lost_on_the_way_is_refused(type_: Any) -> None:
    with pytest.raises(DeclarationError, match=r"users\.log_in: .* holds a SecretStr, .* make it a str"):
        Payload(type_, "users.log_in")


@pytest.mark.parametrize("type_", [str, Told, list[Told], Tree, dict[str, Any], Base64Str])
def test_what_is_told_is_no_secret(type_: Any) -> None:
    assert not masked(TypeAdapter(type_).core_schema)


def test_a_secret_that_is_told_arrives() -> None:
    payload = Payload[Told](Told, "test")
    again = payload.read(payload.encode(Told(password=SecretStr("hush"))))
    assert again.password.get_secret_value() == "hush"
