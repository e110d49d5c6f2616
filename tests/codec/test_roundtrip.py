"""What goes in comes out: CloudEvents and payloads."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import fields
from pydantic import AliasChoices, BaseModel, Field

from pillion.codec.cloudevents import MalformedEvent, decode, encode
from pillion.codec.payload import Payload
from pillion.errors import InvalidInput
from pillion.message import Message

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=20).filter(
    lambda name: name not in {field.encode_name for field in fields(Message)}
)

TEXT = st.none() | st.text(min_size=1)
MESSAGES = st.builds(
    lambda data, **attributes: Message(specversion="1.0", data=Raw(json.dumps(data).encode()), **attributes),
    JSON,
    id=st.text(min_size=1),
    source=st.text(min_size=1),
    type=st.text(min_size=1),
    subject=TEXT,
    correlation_id=TEXT,
    tenant_id=TEXT,
    traceparent=TEXT,
    attempt=st.integers(1, 2**31),
    deadline=st.none() | st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    extensions=st.dictionaries(NAMES, st.text() | st.integers(-(2**31), 2**31) | st.booleans(), max_size=3),
)


@settings(deadline=None)
@given(MESSAGES)
def test_a_message_comes_back_as_it_was(message: Message) -> None:
    again = decode(encode(message))
    assert json.loads(again.json) == json.loads(message.json)
    assert encode(again) == encode(message)
    assert again.extensions == message.extensions


@settings(deadline=None)
@given(JSON)
def test_any_json_comes_back_as_it_was(value: Any) -> None:
    payload: Payload[Any] = Payload(object, "test")
    assert payload.decode(carried(payload, value)) == value


@settings(deadline=None)
@given(st.binary())
def test_bytes_come_back_as_they_were(value: bytes) -> None:
    payload: Payload[bytes] = Payload(bytes, "test")
    assert payload.decode(carried(payload, value)) == value


def carried(payload: Payload[Any], value: Any) -> Message:
    data, data_base64 = payload.pack(value)
    message = Message(id="1", source="s", type="t", specversion="1.0", data=data, data_base64=data_base64)
    return decode(encode(message))


@settings(deadline=None)
@given(st.binary())
def test_bytes_that_are_no_event_are_malformed_and_nothing_else(body: bytes) -> None:
    try:
        decode(body)
    except MalformedEvent as error:
        assert "not a CloudEvent" in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'{"id":"1"}',
        b'{"id":1,"source":"s","type":"t","specversion":"1.0"}',
        b'{"id":"1","source":"s","type":"t","specversion":"1.0","attempt":"many"}',
        b"[" * 100_000,
        b'{"id":"1","source":"s","type":"t","specversion":"1.0","x":' + b"[" * 100_000,
        b'\xff{"id":"1"}',
    ],
)
def test_what_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedEvent):
        decode(body)


def test_the_first_attempt_is_not_written() -> None:
    message = Message("1", "s", "t", "1.0")
    assert b"attempt" not in encode(message)
    assert decode(encode(message)).attempt == 1


def test_an_attribute_that_is_null_is_not_there() -> None:
    message = decode(
        b'{"id":"1","source":"s","type":"t","specversion":"1.0","attempt":null,"subject":null,"data":null}'
    )
    assert (message.attempt, message.subject, message.json) == (1, None, b"null")


@pytest.mark.parametrize("encoded", ["no base64!", "YQ", "Y" * 5])
def test_broken_base64_is_invalid_input(encoded: str) -> None:
    message = Message(id="1", source="s", type="t", specversion="1.0", data_base64=encoded)
    with pytest.raises(InvalidInput):
        Payload(bytes, "test").decode(message)


def test_a_value_of_another_type_is_not_sent() -> None:
    with pytest.raises(TypeError, match="'many' is no <class 'int'>"):
        Payload(int, "test").encode("many")  # type: ignore[arg-type]


class ForOthers(BaseModel):
    order_id: str = Field(alias="orderId")


class FromOthers(BaseModel):
    order_id: str = Field(validation_alias=AliasChoices("orderId", "id"))


class Written(BaseModel):
    order_id: str = Field(serialization_alias="orderId")


class Basket(BaseModel):
    orders: dict[str, tuple[ForOthers, FromOthers | None]]


ALIASED = [
    ForOthers(orderId="7"),
    FromOthers.model_validate({"id": "7"}),
    Written(order_id="7"),
    Basket(orders={"a": (ForOthers(orderId="7"), FromOthers.model_validate({"id": "8"}))}),
]


@pytest.mark.parametrize("value", ALIASED)
def test_a_model_with_aliases_comes_back(value: BaseModel) -> None:
    payload: Payload[Any] = Payload(type(value), "test")
    assert payload.decode(carried(payload, value)) == value
    assert payload.read(payload.encode(value)) == value


def test_the_alias_is_on_the_wire_as_the_schema_says() -> None:
    payload: Payload[ForOthers] = Payload(ForOthers, "test")
    assert json.loads(payload.encode(ForOthers(orderId="7"))) == {"orderId": "7"}
    assert list(payload.json_schema(output=True)["properties"]) == ["orderId"]


@pytest.mark.parametrize("name", ["time", "deadline", "expiration", "firstfailed"])
def test_a_time_without_offset_is_no_time(name: str) -> None:
    attributes = {"id": "1", "source": "/s", "type": "t", "specversion": "1.0", name: "2030-01-01T00:00:00"}
    with pytest.raises(MalformedEvent, match=rf"timezone .* `\$\.{name}`"):
        decode(json.dumps(attributes).encode())
    assert decode(json.dumps({**attributes, name: "2030-01-01T00:00:00+01:00"}).encode()).id == "1"
