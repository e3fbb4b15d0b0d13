"""Canonical JSON: one byte form, and a refusal that says where."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tocsin.canonical import MAX_DEPTH, MAX_INTEGER, b64decode, b64encode, decode, encode
from tocsin.errors import CanonicalError


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        "null",
        "true",
        '""',
        "0",
        "-1",
        str(MAX_INTEGER),
        str(-MAX_INTEGER),
        '{"a":1,"b":[true,null,"x"]}',
        '{"":0,"A":1,"_":2,"a":3}',
        '"\\b\\f\\n\\r\\t\\u0000\\u001f\\"\\\\/\x7f\u2028é😀"',
        "[" * MAX_DEPTH + "]" * MAX_DEPTH,
    ],
)
def test_the_canonical_form_is_taken_and_given_back(text: str) -> None:
    value = decode(text.encode())
    assert value == json.loads(text)
    assert encode(value) == text.encode()


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        pytest.param('{"a":1.5}', 5, id="fraction"),
        pytest.param('{"a":1,"b":[2,1.0]}', 14, id="whole number with a fraction"),
        pytest.param("[1e2]", 1, id="exponent"),
        pytest.param("[1,9007199254740992]", 3, id="2**53"),
        pytest.param("[-9007199254740992]", 1, id="-2**53"),
        pytest.param("[18446744073709551616]", 1, id="past 64 bits"),
        pytest.param("[1" + "0" * 400 + "]", 1, id="past all bits"),
        pytest.param("[-0]", 1, id="minus zero"),
        pytest.param('{"a":1,"é":2}', 7, id="key not ASCII"),
        pytest.param('{"a":1,"\\u00e9":2}', 7, id="key not ASCII, escaped"),
        pytest.param('{"x":"é : é","é":2}', 15, id="value not ASCII is fine, then a key"),
        pytest.param("[" * 17 + "]" * 17, 16, id="too deep"),
        pytest.param('{"a":' * 17 + "0" + "}" * 17, 80, id="too deep in objects"),
        pytest.param('{"a":1,"a":1}', 6, id="duplicate key, same value"),
        pytest.param('{"a":1,"a":2}', 5, id="duplicate key"),
        pytest.param('{"a":1.5,"a":2}', 5, id="duplicate key hides a fraction"),
        pytest.param('{"b":1,"a":2}', 2, id="key order"),
        pytest.param('{"a": 1}', 5, id="blank"),
        pytest.param("[1] ", 3, id="blank at the end"),
        pytest.param("[1]\n", 3, id="newline at the end"),
        pytest.param(" [1]", 0, id="blank in front"),
        pytest.param('["\\u0041"]', 2, id="needless escape"),
        pytest.param('["\\/"]', 2, id="escaped slash"),
        pytest.param('["\\u000A"]', 3, id="upper-case escape"),
        pytest.param('["\\u000a"]', 3, id="long escape where a short one is"),
        pytest.param('["\\u001F"]', 7, id="upper-case hex"),
        pytest.param('["\\ud83d\\ude00"]', 2, id="escaped pair"),
    ],
)
def test_json_outside_the_form_is_refused_at_its_byte(text: str, offset: int) -> None:
    with pytest.raises(CanonicalError, match="byte") as refused:
        decode(text.encode())
    assert refused.value.offset == offset
    assert refused.value.remedy


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"{",
        b'{"a":1',
        b'{"a":1}x',
        b'{"a":1}{"a":1}',
        b"\xef\xbb\xbf{}",
        b"\xff",
        b'["\xff"]',
        b'["\xc3"]',
        b'["\xed\xa0\x80"]',
        b'["\\ud800"]',
        b'["\\udc00\\ud800"]',
        b'["\xc0\x80"]',
        b"[NaN]",
        b"[Infinity]",
        b"[01]",
        b"[+1]",
        b"[.5]",
        b"[1.]",
        b"['a']",
        b"[1,]",
        b'["\n"]',
        b"// x\n[]",
        b"\x00",
        "{}".encode("utf-16"),
        b"[" * 5_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 2_000,
    ],
)
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(CanonicalError) as refused:
        decode(data)
    assert 0 <= refused.value.offset <= len(data)


class _Colour(enum.StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    "value",
    [
        1.5,
        2**53,
        -(2**53),
        float("nan"),
        "\ud800",
        {"\ud800": 1},
        {"é": 1},
        {1: "a"},
        {None: "a"},
        b"bytes",
        {1, 2},
        object(),
        _Colour.RED,
        {"a": {"b": 1.0}},
        json.loads("[" * 17 + "]" * 17),
    ],
)
def test_a_value_outside_the_profile_is_not_encoded(value: Any) -> None:
    with pytest.raises(CanonicalError):
        encode(value)


def test_keys_are_sorted_whatever_their_order() -> None:
    assert encode({"b": 1, "a": {"d": 1, "c": 2}}) == b'{"a":{"c":2,"d":1},"b":1}'


def test_a_list_that_contains_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(CanonicalError):
        encode(value)


def test_full_rfc_8785_with_its_other_keys_is_outside_our_profile(
    corpus: Callable[[str], Path],
) -> None:
    expected = corpus("record/jcs/weird.expected.json").read_bytes()
    with pytest.raises(CanonicalError):
        decode(expected)
    with pytest.raises(CanonicalError):
        decode(corpus("record/jcs/weird.input.json").read_bytes())


# --- base64 -----------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"\x00", b"ab", b"abc", bytes(range(256))])
def test_base64_comes_back(data: bytes) -> None:
    assert b64decode(b64encode(data)) == data


@pytest.mark.parametrize(
    "text",
    ["AB==", "AAB=", "AA", "AA=", "AAA", "A", "=", "====", "AA==AA==", "AA==\n", "A A=", " AA==",
     "AA-_", "AAAA=", "ÄA==", "AA==\0", "\ud800"],
)  # fmt: skip
def test_a_second_spelling_of_the_same_bytes_is_refused(text: str) -> None:
    with pytest.raises(CanonicalError):
        b64decode(text)
