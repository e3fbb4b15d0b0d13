"""A `next` is repeatable, good for one collection of one node, and tells its bearer nothing."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import TaxiiRequestError
from tocsin.taxii.wire import Filters, open_cursor, write_cursor

SECRET = b"\x07" * 32
POSITIONS = st.integers(min_value=-(2**63), max_value=2**63 - 1)


@given(POSITIONS, st.sampled_from([Filters(), Filters(type=("indicator",))]))
def test_it_comes_back_as_it_was_written(position: int, filters: Filters) -> None:
    text = write_cursor(position, filters, SECRET, "one")
    assert text == write_cursor(position, filters, SECRET, "one")
    assert open_cursor(text, SECRET, "one") == (position, filters)


@given(st.integers(min_value=0, max_value=2**40))
def test_it_does_not_tell_how_many_rows_lie_before(position: int) -> None:
    text = write_cursor(position, Filters(), SECRET, "one")
    sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    assert position.to_bytes(8, "big") not in sealed
    behind = write_cursor(position + 1, Filters(), SECRET, "one")
    assert text[:8] != behind[:8], "neighbours have nothing in common"


@given(st.binary(max_size=80))
def test_what_is_none_is_refused(raw: bytes) -> None:
    with pytest.raises(TaxiiRequestError):
        open_cursor(base64.urlsafe_b64encode(raw).decode().rstrip("="), SECRET, "one")


@pytest.mark.parametrize(("secret", "scope"), [(b"\x08" * 32, "one"), (SECRET, "two")])
def test_it_is_good_for_its_collection_and_node_only(secret: bytes, scope: str) -> None:
    text = write_cursor(5, Filters(), SECRET, "one")
    with pytest.raises(TaxiiRequestError):
        open_cursor(text, secret, scope)


@pytest.mark.parametrize("text", ["", "é", "=", "a", "!" * 40])
def test_what_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(TaxiiRequestError):
        open_cursor(text, SECRET, "one")
