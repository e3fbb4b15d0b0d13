"""Laws of the checker: it never fails, key order is nothing to it, its quick reader is exact."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.errors import BundleError
from tocsin.stix.bundle import open_bundle
from tocsin.stix.check import check_bundle, check_objects
from tocsin.stix.findings import Finding
from tocsin.stix.kinds import OBJECT_SHAPES, check_shape
from tocsin.stix.properties import GROUP_OF
from tocsin.stix.rules import check_references
from tocsin.stix.shapes import object_struct

VECTORS = Path(__file__).resolve().parents[1] / "vectors" / "stix"
TIME = "2026-03-01T10:00:00.000Z"
ID = "7a3c0b52-6f0e-4c1d-9a57-1f6f6f6c2b10"


def _samples() -> list[dict[str, Any]]:
    """Every object of every vector."""
    found: list[dict[str, Any]] = []
    for vector in sorted(VECTORS.glob("*.txt")):
        value = json.loads(vector.read_text("utf-8").partition("\n\n")[2])
        values = value if isinstance(value, list) else value.get("objects", [value])
        found += [one for one in values if isinstance(one, dict)]
    return found


SAMPLES = _samples()
NAMES = sorted({name for form in OBJECT_SHAPES.values() for name in form.kinds})
ODD = st.one_of(
    st.sampled_from(
        [
            None,
            True,
            0,
            -1,
            1.5,
            3.0,
            2**53 - 1,
            "",
            "a\n",
            TIME,
            "2026-02-29T10:00:00.000Z",
            "2024-02-29T10:00:00.000Z",
            "2026-03-01T23:59:60Z",
            TIME + "\n",
            f"identity--{ID}",
            f"identity--{ID}\n",
            f"identity--{ID.upper()}",
            f"x-feeder--{ID}",
            f"mutex--{ID}",
            f"extension-definition--{ID}",
            "stix",
            "yara",
            "targets",
            "tlp:red",
            "en",
            "MD5",
            [],
            {},
            [None],
            [[]],
            ["unknown"],
            {"MD5": "d41d8cd98f00b204e9800998ecf8427e"},
            {"MD5": "d41d"},
            {"a b": 1},
            {"archive-ext": {"contains_refs": [f"file--{ID}"]}},
            {f"extension-definition--{ID}": {"extension_type": "toplevel-property-extension"}},
            [{"selectors": ["name", "labels.[0]", "x", "[0]", "."], "lang": "en"}],
            [{"source_name": "n", "url": "https://cert.northland.example/a b"}],
            [{"source_name": "n", "url": "https://cert.northland.example/"}],
            [{"kill_chain_name": "k", "phase_name": "p"}],
        ]
    ),
    st.text(max_size=12),
    st.integers(-(2**53) + 1, 2**53 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.recursive(
        st.none() | st.booleans() | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
        max_leaves=6,
    ),
)
CHANGES = st.dictionaries(
    st.sampled_from([*NAMES, "x_feeder", "name", "id", "type", "Name"]) | st.text(max_size=6),
    ODD,
    max_size=4,
)


@st.composite
def objects(draw: st.DrawFn) -> dict[str, Any]:
    """A sample with some properties changed and some left out."""
    one = {**draw(st.sampled_from(SAMPLES)), **draw(CHANGES)}
    gone = draw(st.sets(st.sampled_from(sorted(one)), max_size=2))
    return {name: value for name, value in one.items() if name not in gone}


def _seen(found: list[Finding]) -> list[Finding]:
    return [msgspec.structs.replace(finding, object=None) for finding in found]


def _shuffled(value: Any, draw: Any) -> Any:
    if isinstance(value, dict):
        names = draw(st.permutations(list(value)))
        return {name: _shuffled(value[name], draw) for name in names}
    if isinstance(value, list):
        return [_shuffled(one, draw) for one in value]
    return value


@settings(max_examples=200)
@given(st.lists(objects(), min_size=1, max_size=4), st.data())
def test_findings_are_the_same_whatever_the_order_of_keys(
    values: list[dict[str, Any]], data: st.DataObject
) -> None:
    try:
        items = open_bundle(orjson.dumps(values))
    except (BundleError, TypeError):
        return
    again = open_bundle(orjson.dumps(_shuffled(values, data.draw)))
    assert _seen(check_objects(items)) == _seen(check_objects(again))


@settings(max_examples=500)
@given(objects())
def test_what_the_quick_reader_accepts_the_exact_one_has_nothing_to_say_of(
    value: dict[str, Any],
) -> None:
    kind = value.get("type")
    form = OBJECT_SHAPES.get(kind) if isinstance(kind, str) else None
    if form is None or kind is None or value.get("hashes") == {}:
        return
    with suppress(msgspec.ValidationError):
        msgspec.convert(value, object_struct(form, GROUP_OF[kind]))
        said: list[Any] = []
        check_shape(value, form, (), lambda *one: said.append(one))
        check_references(value, lambda *one: said.append(one))
        assert said == []


@given(st.binary(max_size=60))
def test_any_bytes_are_checked_or_refused_never_worse(data: bytes) -> None:
    with suppress(BundleError):
        check_bundle(data)


@given(st.lists(ODD, max_size=4), ODD, ODD)
def test_any_bundle_is_checked_or_refused_never_worse(
    inner: list[Any], id: Any, version: Any
) -> None:
    value = {"type": "bundle", "id": id, "spec_version": version, "objects": inner}
    with suppress(BundleError):
        check_bundle(orjson.dumps(value))
