"""What the gateway refuses at start, and what its document says."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import BaseModel, Field

from pillion.bridges.memory.bridge import MemoryBridge
from pillion.errors import DeclarationError, Failure
from pillion.gateway.app import create_app
from pillion.runtime.embedded import memory_stores
from pillion.runtime.host import Host
from pillion.runtime.settings import HostSettings
from pillion.service.contract import Contract
from pillion.service.expose import Expose


class Item(BaseModel):
    sku: str
    quantity: int = 1


class Place(BaseModel):
    shop: str = Field(description="Which shop.")
    items: list[Item]


class Receipt(BaseModel):
    total: int


class OutOfStock(Failure):
    """Not enough of it is left."""

    status = 409
    items: list[Item]


class Taken(Failure):
    status = 409
    title = "Taken"


class Titled(Failure):
    status = 400
    detail: str


def app_of(*contracts: Contract) -> FastAPI:
    host = Host(bridge=MemoryBridge(), stores=memory_stores(), settings=HostSettings(app="gateway"))
    return create_app(host, contracts, title="Shop")


def shop(**options: Any) -> Contract:
    contract = Contract("shop")
    contract.command("place", Place, Receipt, **options)
    return contract


def test_the_document_has_parameters_body_and_models() -> None:
    expose = Expose("POST", "/shops/{shop}/orders", status=201)
    example = Place(shop="a", items=[Item(sku="tea")])
    document = app_of(shop(expose=expose, examples=[example], description="Buy.")).openapi()
    operation = document["paths"]["/shops/{shop}/orders"]["post"]
    assert operation["operationId"] == "shop_v1_place"
    assert (operation["summary"], operation["description"], operation["tags"]) == ("Place", "Buy.", ["shop"])
    assert operation["parameters"] == [
        {
            "name": "shop",
            "in": "path",
            "required": True,
            "schema": {"type": "string", "title": "Shop", "description": "Which shop."},
            "description": "Which shop.",
        }
    ]
    body = operation["requestBody"]["content"]["application/json"]
    assert list(body["schema"]["properties"]) == ["items"]
    assert body["examples"] == {"1": {"value": {"items": [{"sku": "tea", "quantity": 1}]}}}
    receipt = operation["responses"]["201"]["content"]["application/json"]["schema"]
    assert receipt == {"$ref": "#/components/schemas/Receipt"}
    assert operation["security"] == [{"bearer": []}]


def test_every_reference_of_the_document_leads_somewhere() -> None:
    document = app_of(shop(expose=Expose("POST", "/orders"), raises=[OutOfStock, Taken])).openapi()
    schemas = document["components"]["schemas"]
    found = list(references(document))
    assert found
    assert {name.rpartition("/")[2] for name in found} <= set(schemas)


def test_declared_failures_are_described_by_status() -> None:
    document = app_of(shop(expose=Expose("POST", "/orders", public=True), raises=[OutOfStock, Taken])).openapi()
    responses = document["paths"]["/orders"]["post"]["responses"]
    assert set(responses) == {"200", "400", "409", "default"}
    assert "out_of_stock" in responses["409"]["description"]
    assert "taken" in responses["409"]["description"]
    assert set(responses["409"]["content"]) == {"application/problem+json"}


def test_a_command_without_a_description_has_none() -> None:
    assert "description" not in app_of(shop(expose=Expose("POST", "/orders"))).openapi()["paths"]["/orders"]["post"]


def test_models_of_the_same_name_do_not_mix() -> None:
    class Inner:
        class Receipt(BaseModel):
            other: str

    other = Contract("other")
    other.command("place", Inner.Receipt, Inner.Receipt, expose=Expose("POST", "/other"))
    schemas = app_of(shop(expose=Expose("POST", "/orders")), other).openapi()["components"]["schemas"]
    assert len([name for name in schemas if name.endswith("Receipt")]) == 2


def test_two_commands_on_one_path_are_refused() -> None:
    other = Contract("other")
    other.command("place", Place, Receipt, expose=Expose("POST", "/orders"))
    with pytest.raises(
        DeclarationError, match=r"other\.v1\.place and shop\.v1\.place are both exposed as POST /orders"
    ):
        app_of(shop(expose=Expose("POST", "/orders")), other)


def test_paths_that_differ_in_names_only_are_one_path() -> None:
    other = Contract("other")
    other.command("get", str, Receipt, expose=Expose("GET", "/orders/{order_id}"))
    contract = Contract("shop")
    contract.command("find", str, Receipt, expose=Expose("GET", "/orders/{key}"))
    both = r"shop\.v1\.find are both exposed as GET /orders/{order_id}, which is the same as /orders/{key}"
    with pytest.raises(DeclarationError, match=rf"other\.v1\.get and {both}"):
        app_of(contract, other)


def test_one_path_for_several_methods_is_fine() -> None:
    contract = Contract("shop")
    contract.command("find", str, Receipt, expose=Expose("GET", "/orders/{key}"))
    contract.command("drop", str, Receipt, expose=Expose("DELETE", "/orders/{order_id}"))
    assert set(app_of(contract).openapi()["paths"]) == {"/orders/{key}", "/orders/{order_id}"}


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/openapi.json", "/docs", "/docs/files", "/docs/files/swagger-ui.css"]
)
def test_a_path_of_the_gateways_own_is_refused(path: str) -> None:
    with pytest.raises(
        DeclarationError, match=rf"shop\.v1\.place is exposed as POST {path}, but there the gateway itself"
    ):
        app_of(shop(expose=Expose("POST", path)))


@pytest.mark.parametrize(
    "expose", [Expose("POST", "/orders/{order_id}"), Expose("POST", "/orders", query=("order_id",))]
)
def test_a_name_that_is_no_field_is_refused(expose: Expose) -> None:
    with pytest.raises(DeclarationError, match=r"shop\.v1\.place: POST /orders.*order_id is no field"):
        app_of(shop(expose=expose))


def test_a_value_without_fields_needs_a_name_where_there_is_no_body() -> None:
    contract = Contract("shop")
    contract.command("find", str, Receipt, expose=Expose("GET", "/find"))
    with pytest.raises(DeclarationError, match=r"shop\.v1\.find: GET /find: the input is one value"):
        app_of(contract)


def test_a_failure_field_that_every_problem_has_is_refused() -> None:
    with pytest.raises(DeclarationError, match="Titled has the field detail"):
        app_of(shop(expose=Expose("POST", "/orders"), raises=[Titled]))


def test_a_deprecated_command_says_what_to_use() -> None:
    document = app_of(shop(expose=Expose("POST", "/orders"), deprecated="use shop.v2.place")).openapi()
    operation = document["paths"]["/orders"]["post"]
    assert operation["deprecated"] is True
    assert "use shop.v2.place" in operation["description"]


def test_a_command_of_a_deprecated_contract_is_deprecated() -> None:
    contract = Contract("shop", deprecated="use shop.v2")
    contract.command("place", Place, Receipt, expose=Expose("POST", "/orders"))
    contract.command("find", str, Receipt, expose=Expose("GET", "/find/{key}"), deprecated="use search")
    paths = app_of(contract).openapi()["paths"]
    place, find = paths["/orders"]["post"], paths["/find/{key}"]["get"]
    assert (place["deprecated"], place["description"]) == (True, "**Deprecated**: use shop.v2")
    assert (find["deprecated"], find["description"]) == (True, "**Deprecated**: use search")


def references(part: Any) -> Any:
    """All ``$ref`` in a document."""
    if isinstance(part, dict):
        yield from [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            yield from references(inner)
