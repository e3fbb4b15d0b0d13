"""Addresses of cryptocurrencies are told by their checksums."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.stix.wallets import is_wallet

GOOD = [
    "1CwR3KkRtt7ch1xZwmVLtHq2U3wU7gzQqy",
    "bc1qste7n354m34c6xc3sxx4wqv3nc5xm6x55nq00s",
    "0x4745559c4dbc71c5d0c940c983bcce94b2a70677",
]


@pytest.mark.parametrize("text", GOOD)
def test_an_address_is_told(text: str) -> None:
    assert is_wallet(text)


@pytest.mark.parametrize("text", GOOD[:2])
@pytest.mark.parametrize("place", range(4, 34, 3))
def test_one_wrong_character_and_it_is_none(text: str, place: int) -> None:
    other = "p" if text[place] != "p" else "q"
    assert not is_wallet(text[:place] + other + text[place + 1 :])


@given(st.text(max_size=100) | st.text("123456789ABCabcdefq0x", max_size=100))
def test_any_text_is_judged(text: str) -> None:
    assert is_wallet(text) in (True, False)
