"""TLP markings, as STIX carries them and as we think of them.

A marking is known by its id. What we cannot resolve is said to be unknown, and `policy` then lets
nobody read who is not named; words never loosen anything.

Spec: STIX 2.1 §7.2, FIRST TLP 2.0, OASIS TLP 2.0 extension.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import orjson

from tocsin.errors import MarkingError
from tocsin.policy import TLP_ORDER, TLP_RANK, Tlp

TLP_EXTENSION = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"

MARKING_ID: dict[Tlp, str] = {
    "CLEAR": "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
    "GREEN": "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
    "AMBER": "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
    "AMBER+STRICT": "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
    "RED": "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
}
"""The marking definitions of TLP 2.0."""

MARKING_ID_1: dict[Tlp, str] = {
    "CLEAR": "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9",
    "GREEN": "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da",
    "AMBER": "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82",
    "RED": "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed",
}
"""Those of TLP 1, which STIX 2.0 and 2.1 define themselves. WHITE is today's CLEAR."""

TLP_OF_ID: dict[str, Tlp] = {
    id: tlp for table in (MARKING_ID_1, MARKING_ID) for tlp, id in table.items()
}

_NAMED = re.compile(
    r"\bTLP[ :_-]{0,3}(?:(WHITE|CLEAR)|(GREEN)|(AMBER[ ]?[+_-]?[ ]?STRICT)|(AMBER)|(RED))\b", re.I
)
_LEVELS: tuple[Tlp, ...] = ("CLEAR", "GREEN", "AMBER+STRICT", "AMBER", "RED")

_ACCESS = re.compile(
    r"\b(?:confidential|classified|unclassified|secret|restricted|sensitive|internal|proprietary|"
    r"not (?:be )?(?:for )?(?:share|shared|distribute|distributed|disclose|disclosed|forward|"
    r"forwarded|publish|published|public|release|released)|re-?distribut\w*|disclos\w*|"
    r"distribution|dissemination|sharing|shared? (?:only|with)|"
    r"only (?:be )?(?:for|to|by|with|within)|"
    r"(?:for|official) (?:official )?use only|need[ -]to[ -]know|eyes only|no ?forn|recipients?|"
    r"embargo\w*|do not \w+|may not|must not|permission|authori[sz]ed)\b",
    re.I,
)
"""Words with which a statement speaks of who may read. Copyright lines have none of them."""


def tlp_named(text: str) -> Tlp | None:
    """The strictest TLP level that `text` spells out, as `tlp:amber+strict` or `TLP WHITE`."""
    if "tlp" not in text.lower():  # most labels, at a tenth of the time
        return None
    return strictest_tlp(
        level
        for found in _NAMED.finditer(text)
        for level, said in zip(_LEVELS, found.groups(), strict=True)
        if said
    )


def strictest_tlp(levels: Iterable[Tlp]) -> Tlp | None:
    """The strictest of `levels`, None of none."""
    return max(levels, key=TLP_RANK.__getitem__, default=None)


def tlp_of(
    data: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]
) -> tuple[Tlp | None, bool]:
    """What an object's markings come to.

    Granular markings count for the whole object: its bytes are never cut. Labels and statements
    that spell a TLP level only tighten.

    Args:
        data: a decoded STIX object.
        known: the marking definitions at hand, by id.

    Returns:
        The strictest level, None if the object has none; and whether it carries a marking that
        cannot be resolved or a statement that speaks of access.

    Raises:
        MarkingError: a definition at hand contradicts the level that its id stands for.
    """
    levels: list[Tlp] = []
    unknown = False
    for ref in marking_refs(data):
        level, clear = _resolve(ref, known.get(ref))
        unknown |= not clear
        if level is not None:
            levels.append(level)
    labels = data.get("labels")
    for label in labels if isinstance(labels, list) else ():
        if isinstance(label, str) and (level := tlp_named(label)) is not None:
            levels.append(level)
    return strictest_tlp(levels), unknown


def marking_definition(tlp: Tlp) -> bytes:
    """The definition of one TLP 2.0 level, as every bundle we write carries it."""
    return orjson.dumps(
        {
            "type": "marking-definition",
            "spec_version": "2.1",
            "id": MARKING_ID[tlp],
            "created": "2022-10-01T00:00:00.000Z",
            "name": f"TLP:{tlp}",
            "extensions": {
                TLP_EXTENSION: {"extension_type": "property-extension", "tlp_2_0": tlp.lower()}
            },
        }
    )


def definitions_for(raws: Sequence[bytes], ids: Collection[str]) -> list[bytes]:
    """The definitions of the TLP 2.0 levels that `raws` name, for a bundle we write around them.

    Its readers then need not look a level up elsewhere.

    Args:
        ids: of `raws`; a definition that is among them is not given once more.
    """
    return [
        marking_definition(tlp)
        for tlp in TLP_ORDER
        if MARKING_ID[tlp] not in ids and any(MARKING_ID[tlp].encode() in raw for raw in raws)
    ]


def marking_refs(data: Mapping[str, Any]) -> list[str]:
    """The markings that an object points to, granular ones too; "" for what is no id."""
    refs = data.get("object_marking_refs")
    found = list(refs) if isinstance(refs, list) else [] if refs is None else [refs]
    granular = data.get("granular_markings")
    for one in granular if isinstance(granular, list) else ():
        # A granular marking with `lang` instead says in which language a property is written.
        if isinstance(one, Mapping) and "lang" not in one:
            found.append(one.get("marking_ref"))
    return [ref if isinstance(ref, str) else "" for ref in found]


def _resolve(ref: str, definition: Mapping[str, Any] | None) -> tuple[Tlp | None, bool]:
    """The level a marking stands for, and whether we know all that it asks."""
    level = TLP_OF_ID.get(ref)
    said = defined_level(definition) if definition is not None else None
    if level is not None:
        if definition is not None and said != level:
            raise MarkingError(
                f"{ref} is TLP:{level}, and a definition of it here says "
                f"{'TLP:' + said if said else 'something else'}",
                remedy="refuse it: a TLP definition is known by its id",
            )
        return level, True
    if definition is None:
        return None, False
    if definition.get("definition_type") != "statement":
        # A level under an id of its own is no TLP definition, but somebody meant it.
        return said, False
    body = definition.get("definition")
    statement = body.get("statement") if isinstance(body, Mapping) else None
    if not isinstance(statement, str) or "extensions" in definition:
        return said, False
    return tlp_named(statement), not _ACCESS.search(_NAMED.sub(" ", statement))


def defined_level(definition: Mapping[str, Any]) -> Tlp | None:
    """The level that a marking definition's own content names."""
    body = definition.get("definition")
    extensions = definition.get("extensions")
    extension = extensions.get(TLP_EXTENSION) if isinstance(extensions, Mapping) else None
    for holder, field in ((extension, "tlp_2_0"), (body, "tlp")):
        word = holder.get(field) if isinstance(holder, Mapping) else None
        if isinstance(word, str):
            word = "CLEAR" if word.upper() == "WHITE" else word.upper()
            return next((level for level in TLP_ORDER if level == word), None)
    return None
