"""What another library's strict parser refuses we have an error for, or a written reason; and back.

Its tables are read too: every property it knows of a type we know, and ask for.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import orjson
import pytest

from tocsin.errors import BundleError
from tocsin.stix.bundle import open_bundle
from tocsin.stix.check import check_objects
from tocsin.stix.kinds import EXTENSION_SHAPES, OBJECT_SHAPES

stix2 = pytest.importorskip("stix2")

VECTORS = Path(__file__).resolve().parents[1] / "vectors" / "stix"
ID = "7a3c0b52-6f0e-4c1d-9a57-1f6f6f6c2b10"
ODD: list[Any] = [
    *(None, True, 0, -1, 1.5, "", "a", [], {}, [None], ["unknown"], {"MD5": "d41d"}, ["a", "b"]),
    *("2026-02-29T10:00:00.000Z", "2026-03-01T10:00:00Z"),
    *(f"identity--{ID}", f"mutex--{ID}", [f"mutex--{ID}"]),
]

WE_LET_PASS = {
    "custom-property": "a note: custom properties are deprecated, and allowed (§11.1)",
    "custom-property-prefix": "a warning: the prefix is a SHOULD (§11.1)",
    "custom-type": "a note: custom objects are deprecated, and allowed (§11.2)",
    "marking-unknown-type": "a note: who reads such a marking decides what it means",
    "pattern": "a warning: feeds carry broken patterns, and the indicator is kept and served",
    "pattern-language": "a note: the language is open",
    "extension-custom-key": "a warning: deprecated, and allowed (§11.3)",
    "extension-unknown": "a note: its definition may be elsewhere",
    "value-form": "a warning, as for all values",
    "vocabulary": "a warning: hash-algorithm-ov is open (§10.7)",
    "hash-form": "a warning, as for all values",
}
"""Of these we say something milder than an error where the library refuses."""
IT_LETS_PASS = {
    "object-unusable": "it makes a missing or wrong id, type or time itself",
    "property-missing": "it fills in spec_version, created and modified itself",
    "property-type": "it turns numbers, lists and words into the type it wants",
    "null-value": "it takes null for a property that is not there",
    "list-empty": "it drops empty lists",
    "dictionary-empty": "it drops empty dictionaries",
    "timestamp-precision": "it rewrites times to three digits",
    "language-code": "it does not look at language codes",
    "number-range": "it has no limits for most numbers",
    "key-name": "it lets other characters pass in keys",
    "one-of": "it misses some of the rules between properties",
    "extension-place": "it does not ask whose extension it is",
    "extension-type": "it does not ask what an unknown extension is",
    "extension-core-name": "it does not look",
    "property-name": "it does not look at names of nested properties",
    "property-not-allowed": "action is a property there",
    "granular-target": "it lets both stand",
    "selector-form": "it checks selectors only where it needs them",
    "selector-missing": "it checks selectors only where it needs them",
    "marking-circular": "it does not look",
    "marking-empty": "it does not look",
    "tlp-contradicted": "it does not compare ids with levels",
    "tlp-own-definition": "it takes any id",
    "id-process": "it lets any UUID pass",
    "id-no-contributors": "it lets any UUID pass",
    "reference-type": "some of its lists of types are wider",
    "type-name": "it lets short names pass",
    "enum": "it misses one enumeration",
    "timestamp-form": "it reads other ways of writing a time, and rewrites them",
    "timestamp-calendar": "it reads other ways of writing a time, and rewrites them",
}
"""Errors of ours on what the library takes."""


UNDECIDED = ("'is_active' must be False if 'end' is present",)
"""The text allows two readings: whether is_active, which is optional, has to be there (§6.12)."""


def _samples() -> list[dict[str, Any]]:
    """One object of each layout in the good vectors."""
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for vector in sorted(VECTORS.glob("*-good.txt")):
        value = json.loads(vector.read_text("utf-8").partition("\n\n")[2])
        values = value if isinstance(value, list) else value.get("objects", [value])
        for one in values:
            if one["type"] in OBJECT_SHAPES and one.get("spec_version") == "2.1":
                found.setdefault((one["type"], *sorted(one)), one)
    return list(found.values())


SAMPLES = _samples()


def _refused(value: dict[str, Any]) -> str | None:
    try:
        stix2.parse(json.dumps(value), allow_custom=False, version="2.1")
    except Exception as wrong:  # anything it raises is a refusal
        return f"{type(wrong).__name__}: {wrong}"
    return None


def _difference(value: dict[str, Any]) -> str | None:
    """How the two disagree without a written reason; None: they do not."""
    try:
        found = check_objects(open_bundle(orjson.dumps(value)))
    except BundleError:
        return None  # not JSON that we open at all
    codes = {one.code for one in found}
    errors = {one.code for one in found if one.severity == "error"}
    theirs = _refused(value)
    if theirs is None and errors - IT_LETS_PASS.keys():
        return f"only we refuse {value}: {errors}"
    if theirs is not None and any(words in theirs for words in UNDECIDED):
        return None
    if theirs is not None and not errors and not codes & WE_LET_PASS.keys():
        return f"only the library refuses {value}: {theirs}"
    return None


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda one: one["id"][:-38])
def test_a_changed_property_is_judged_alike(sample: dict[str, Any]) -> None:
    assert _difference(sample) is None
    choose = random.Random(1)
    for name in OBJECT_SHAPES[sample["type"]].kinds:
        for odd in choose.sample(ODD, 3):
            assert _difference({**sample, name: odd}) is None
        assert _difference({n: v for n, v in sample.items() if n != name}) is None


def _theirs() -> dict[str, Any]:
    kinds = stix2.registry.STIX2_OBJ_MAPS["2.1"]
    return {**kinds["objects"], **kinds["observables"]}


OURS_ONLY = {("course-of-action", "action"), ("incident", "kill_chain_phases")}
"""Reserved in the final text; and a property that the stub of an incident does not have."""


@pytest.mark.parametrize("kind", sorted(OBJECT_SHAPES))
def test_every_type_has_the_properties_the_library_knows(kind: str) -> None:
    theirs = _theirs()[kind]._properties
    form = OBJECT_SHAPES[kind]
    ours = {name for name in form.kinds if (kind, name) not in OURS_ONLY}
    assert ours == {name for name in theirs if (kind, name) not in OURS_ONLY}
    required = {name for name, one in theirs.items() if one.required}
    assert required <= set(form.required)


def test_every_predefined_extension_has_the_properties_the_library_knows() -> None:
    theirs = stix2.registry.STIX2_OBJ_MAPS["2.1"]["extensions"]
    for name, form in EXTENSION_SHAPES.items():
        known = {key for key in theirs[name]._properties if key != "extension_type"}
        assert set(form.kinds) == known
