"""A path says which fields are in it, and nothing that would be overlooked."""

from __future__ import annotations

import pytest

from pillion.errors import DeclarationError
from pillion.service.expose import Expose


def test_names_in_braces_are_fields_in_their_order() -> None:
    assert Expose("GET", "/shops/{shop}/orders/{order_id}").path_fields == ("shop", "order_id")


@pytest.mark.parametrize("part", ["{id:path}", "{}", "{order-id}", "{1}", "{straße}", "{id", "id}", "{{id}}"])
def test_what_is_no_name_in_braces_is_refused(part: str) -> None:
    with pytest.raises(DeclarationError, match=r'expose path "/f/.*braces hold the name of one field'):
        Expose("GET", f"/f/{part}")


def test_a_field_is_in_the_path_once() -> None:
    with pytest.raises(DeclarationError, match="a field can be in it once"):
        Expose("GET", "/f/{id}/{id}")


def test_paths_whose_names_differ_have_one_shape() -> None:
    assert Expose("GET", "/f/{id}").shape == Expose("GET", "/f/{key}").shape
    assert Expose("GET", "/f/{id}").shape != Expose("GET", "/f/id").shape
