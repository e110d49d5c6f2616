"""The page on capabilities is what the code says."""

from __future__ import annotations

from tools.capabilities import PAGE, page


def test_the_page_is_written_from_the_table() -> None:
    assert PAGE.read_text() == page(), "run `make docs`"
