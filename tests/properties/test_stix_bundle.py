"""Laws of opening."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import BundleError
from tocsin.stix.bundle import Received, open_bundle, write_bundle

BUNDLE = "bundle--33333333-3333-4333-8333-333333333333"
text = st.text(st.characters(codec="utf-8"), max_size=8)
numbers = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
names = st.sampled_from(
    ["id", "type", "a_ref", "b_refs", "objects", "\u00e9", "x", "external_references"]
)
values = st.recursive(
    st.none() | st.booleans() | numbers | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | text, inner, max_size=4),
    max_leaves=12,
)
objects = st.builds(
    lambda n, more: {
        "type": "x-acme",
        "id": f"x-acme--11111111-1111-4111-8111-{n:012d}",
        **{k: v for k, v in more.items() if k not in ("id", "type")},
    },
    st.integers(0, 9),
    st.dictionaries(names | text, values, max_size=5),
)
spellings = st.sampled_from(
    [
        orjson.dumps,
        lambda x: orjson.dumps(x, option=orjson.OPT_INDENT_2),
        lambda x: json.dumps(x).encode(),
        lambda x: json.dumps(x, ensure_ascii=False, separators=(" ,\n", ":\t")).encode(),
    ]
)


def references(x: Any) -> set[str]:
    """The plainest way to say what a reference is."""
    found: set[str] = set()
    if isinstance(x, list):
        return found.union(*map(references, x))
    if isinstance(x, dict):
        for name, value in x.items():
            if name in ("id", "type", "external_references"):
                continue
            if name.endswith("_ref") and isinstance(value, str):
                found.add(value)
            elif name.endswith("_refs") and isinstance(value, list):
                found.update(one for one in value if isinstance(one, str))
            found |= references(value)
    return found


def opened_or_offset(data: bytes) -> list[Received] | int:
    """What is in it, or the first byte at fault."""
    try:
        return open_bundle(data)
    except BundleError as wrong:
        return wrong.offset


@given(st.binary(max_size=60))
def test_any_bytes_are_opened_or_refused_never_worse(data: bytes) -> None:
    with suppress(BundleError):
        open_bundle(data, max_objects=9)


@given(st.lists(objects, max_size=4), spellings, st.data())
def test_any_damage_is_opened_or_refused_never_worse(
    members: list[dict[str, Any]], spell: Any, data: st.DataObject
) -> None:
    whole = bytearray(spell({"type": "bundle", "id": BUNDLE, "objects": members}))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at : at + data.draw(st.integers(0, 3))] = data.draw(
            st.sampled_from([b"", b"{", b"[", b"}", b"]", b'"', b",", b"\\", b"\xff", b"9" * 20])
        )
    opened = opened_or_offset(bytes(whole))
    if isinstance(opened, int):
        assert 0 <= opened <= len(whole)
        return
    for one in opened:
        assert one.raw in whole
        orjson.loads(one.raw)


@given(st.lists(objects, max_size=6), spellings)
def test_however_it_is_spelt_the_objects_are_the_same(
    members: list[dict[str, Any]], spell: Any
) -> None:
    opened = open_bundle(spell({"type": "bundle", "id": BUNDLE, "objects": members}))
    assert [one.data for one in opened] == members
    assert [one.id for one in opened] == [x["id"] for x in members]
    assert [list(one.refs) for one in opened] == [sorted(references(x)) for x in members]
    for one in opened:
        assert one.sha256 == hashlib.sha256(one.raw).hexdigest()


@given(st.lists(objects, max_size=4), spellings)
def test_what_is_written_opens_to_the_same_bytes(members: list[dict[str, Any]], spell: Any) -> None:
    raws = [spell(x).strip() for x in members]
    opened = open_bundle(write_bundle(raws, BUNDLE))
    assert [one.raw for one in opened] == raws
    assert open_bundle(write_bundle([one.raw for one in opened], BUNDLE)) == opened


@given(
    st.lists(objects, max_size=3), objects, st.lists(st.sampled_from("[{"), max_size=9), st.data()
)
def test_a_doubled_key_is_refused_wherever_it_stands(
    members: list[dict[str, Any]], x: dict[str, Any], nesting: list[str], data: st.DataObject
) -> None:
    doubled = '{"k":1,"\\u006b":2}' if data.draw(st.booleans()) else '{"k":[],"k":[]}'
    for kind in nesting:
        doubled = f"[1,{doubled}]" if kind == "[" else f'{{"a":1,"b":{doubled}}}'
    bad = orjson.dumps(x)[:-1] + f',"x-doubled":{doubled}}}'.encode()
    raws = [orjson.dumps(one) for one in members]
    raws.insert(data.draw(st.integers(0, len(raws))), bad)
    whole = write_bundle(raws, BUNDLE)
    with pytest.raises(BundleError) as caught:
        open_bundle(whole)
    assert whole[caught.value.offset :].startswith((b'"k"', b'"\\u006b"'))
