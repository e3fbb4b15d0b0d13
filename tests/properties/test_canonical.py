"""Laws of canonical JSON: three encoders agree, and no two byte strings are one value."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from tocsin.canonical import MAX_INTEGER, b64decode, b64encode, decode, encode
from tocsin.errors import CanonicalError

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
keys = st.text(st.characters(max_codepoint=127), max_size=6)
leaves = st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | texts
values: st.SearchStrategy[Any] = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_what_is_encoded_is_decoded_to_the_same(value: Any) -> None:
    assert decode(encode(value)) == value


@given(values)
def test_three_independent_encoders_give_the_same_bytes(value: Any) -> None:
    ours = encode(value)
    assert ours == rfc8785.dumps(value)
    assert (
        ours
        == json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    )


@given(st.dictionaries(keys, leaves, max_size=6), st.randoms())
def test_the_order_of_keys_does_not_matter(value: dict[str, Any], rng: Any) -> None:
    pairs = list(value.items())
    rng.shuffle(pairs)
    assert encode(dict(pairs)) == encode(value)


@given(st.binary(max_size=60))
def test_any_bytes_are_decoded_or_refused_never_worse(data: bytes) -> None:
    with suppress(CanonicalError):
        assert encode(decode(data)) == data


@given(st.text('{}[]":,.-+0123456789eEabtrufalsn\\é \n', max_size=24))
def test_any_near_json_is_decoded_or_refused_with_a_place_in_it(text: str) -> None:
    data = text.encode()
    place = 0
    try:
        assert encode(decode(data)) == data
    except CanonicalError as refused:
        place = refused.offset
    assert 0 <= place <= len(data)


@given(values, st.data())
def test_a_changed_byte_is_another_value_or_refused(value: Any, data: st.DataObject) -> None:
    raw = bytearray(encode(value))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    with suppress(CanonicalError):
        changed = decode(bytes(raw))
        # Not `==`: True is 1 in Python and not in JSON.
        assert encode(changed) != encode(value)


@given(st.binary(max_size=80))
def test_base64_has_one_spelling(data: bytes) -> None:
    assert b64decode(b64encode(data)) == data


@given(st.text("ABab01+/=-_ \n", max_size=12))
def test_any_text_is_the_one_spelling_or_refused(text: str) -> None:
    with suppress(CanonicalError):
        assert b64encode(b64decode(text)) == text
