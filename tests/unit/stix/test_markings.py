"""Markings resolve to a level, or are said to be unknown; nothing loosens."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tocsin.errors import MarkingError
from tocsin.policy import TLP_ORDER, Tlp
from tocsin.stix.bundle import open_bundle
from tocsin.stix.check import check_objects
from tocsin.stix.markings import (
    MARKING_ID,
    MARKING_ID_1,
    TLP_OF_ID,
    definitions_for,
    marking_definition,
    tlp_named,
    tlp_of,
)

OWN = "marking-definition--11111111-1111-4111-8111-111111111111"


def statement(text: str) -> dict[str, dict[str, Any]]:
    return {OWN: {"id": OWN, "definition_type": "statement", "definition": {"statement": text}}}


@pytest.mark.parametrize("tlp", TLP_ORDER)
def test_each_level_goes_out_and_comes_back(tlp: Tlp) -> None:
    definition = orjson.loads(marking_definition(tlp))
    assert definition["id"] == MARKING_ID[tlp]
    data = {"object_marking_refs": [definition["id"]]}
    assert tlp_of(data, {definition["id"]: definition}) == (tlp, False)
    assert tlp_of(data, {}) == (tlp, False)
    assert TLP_OF_ID[definition["id"]] == tlp


def test_tlp_1_means_the_level_of_the_same_name_and_white_is_clear() -> None:
    for tlp, id in MARKING_ID_1.items():
        word = "white" if tlp == "CLEAR" else tlp.lower()
        definition = {"definition_type": "tlp", "definition": {"tlp": word}}
        assert tlp_of({"object_marking_refs": [id]}, {id: definition}) == (tlp, False)


def test_the_strictest_of_several_counts_and_a_granular_one_counts_for_the_whole() -> None:
    data = {
        "object_marking_refs": [MARKING_ID["GREEN"], MARKING_ID_1["AMBER"]],
        "granular_markings": [
            {"selectors": ["name"], "marking_ref": MARKING_ID["RED"]},
            {"selectors": ["name"], "lang": "en"},
        ],
    }
    assert tlp_of(data, {}) == ("RED", False)


def test_no_marking_is_none_and_known() -> None:
    assert tlp_of({}, {}) == (None, False)


@pytest.mark.parametrize("refs", [[OWN], ["x"], [7], "x", {"a": 1}, [None]])
def test_what_cannot_be_resolved_is_unknown(refs: Any) -> None:
    assert tlp_of({"object_marking_refs": refs}, {}) == (None, True)


def test_other_content_under_the_id_of_a_level_is_an_error() -> None:
    id = MARKING_ID["RED"]
    for content in (
        {"definition_type": "tlp", "definition": {"tlp": "white"}},
        {"definition_type": "statement", "definition": {"statement": "hello"}},
        {},
    ):
        with pytest.raises(MarkingError, match="RED"):
            tlp_of({"object_marking_refs": [id]}, {id: content})


def test_a_level_under_an_id_of_its_own_tightens_and_stays_unknown() -> None:
    definition = {"definition_type": "tlp", "definition": {"tlp": "amber"}}
    assert tlp_of({"object_marking_refs": [OWN]}, {OWN: definition}) == ("AMBER", True)


@pytest.mark.parametrize(
    "text",
    [
        "Copyright 2015-2025, The Acme Corporation. ACME is a registered trademark.",
        "(c) 2026 Northland",
        "Public report of Northland",
    ],
)
def test_a_copyright_line_asks_nothing_about_access(text: str) -> None:
    assert tlp_of({"object_marking_refs": [OWN]}, statement(text)) == (None, False)


@pytest.mark.parametrize(
    "text",
    [
        "Confidential",
        "Not for redistribution",
        "For official use only",
        "Only for members of the circle",
        "Do not forward",
        "Must not be shared with the press",
        "Limited disclosure to recipients' organisations",
    ],
)
def test_a_statement_that_speaks_of_access_is_unknown(text: str) -> None:
    assert tlp_of({"object_marking_refs": [OWN]}, statement(text)) == (None, True)


def test_a_statement_or_label_that_spells_a_level_only_tightens() -> None:
    data = {"object_marking_refs": [OWN]}
    assert tlp_of(data, statement("TLP:AMBER")) == ("AMBER", False)
    assert tlp_of({"labels": ["tlp:white", "TLP:AMBER+STRICT"]}, {}) == ("AMBER+STRICT", False)
    stricter = {"labels": ["tlp:clear"], "object_marking_refs": [MARKING_ID["RED"]]}
    assert tlp_of(stricter, {}) == ("RED", False)


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("tlp:white", "CLEAR"),
        ("TLP-GREEN", "GREEN"),
        ("TLP:AMBER+STRICT", "AMBER+STRICT"),
        ("tlp amber strict", "AMBER+STRICT"),
        ("tlp:amber", "AMBER"),
        ("TLP:CLEAR, but see TLP:RED", "RED"),
        ("amber", None),
        ("tlp:reddish", None),
    ],
)
def test_levels_are_read_as_they_are_spelt(text: str, level: Tlp | None) -> None:
    assert tlp_named(text) == level


def test_a_bundle_we_write_brings_the_levels_its_objects_name_each_once() -> None:
    amber, red = MARKING_ID["AMBER"], MARKING_ID["RED"]
    raws = [b'{"object_marking_refs":["%b"]}' % ref.encode() for ref in (amber, red, amber)]
    assert definitions_for(raws, ["identity--1"]) == [
        marking_definition("AMBER"),
        marking_definition("RED"),
    ]
    assert definitions_for([*raws, marking_definition("RED")], [red]) == [
        marking_definition("AMBER")
    ]
    assert definitions_for([b"{}"], []) == []


def test_the_definitions_we_write_are_found_right_by_the_checker() -> None:
    for tlp in MARKING_ID:
        assert check_objects(open_bundle(marking_definition(tlp))) == []
