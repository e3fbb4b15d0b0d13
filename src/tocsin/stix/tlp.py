"""Whether TLP markings are what they say: by id, never by words.

Spec: STIX 2.1 §7.2, FIRST TLP 2.0, the OASIS extension for TLP 2.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tocsin.policy import TLP_RANK
from tocsin.stix.findings import shown
from tocsin.stix.kinds import Say
from tocsin.stix.markings import MARKING_ID, TLP_OF_ID, defined_level, tlp_named


def check_tlp(x: Mapping[str, Any], say: Say) -> None:
    """Say what is wrong with an object's TLP levels, and with a definition of one."""
    refs = x.get("object_marking_refs")
    marked = [ref for ref in refs if type(ref) is str] if type(refs) is list else []
    if x.get("type") == "marking-definition":
        _definition(x, marked, say)
    levels = {TLP_OF_ID[ref] for ref in marked if ref in TLP_OF_ID}
    if len(levels) > 1:
        named = " and ".join(sorted(levels, key=TLP_RANK.__getitem__))
        say("tlp-two-levels", ("object_marking_refs",), None, f"it is marked {named}")
    labels = x.get("labels")
    for n, label in enumerate(labels if type(labels) is list else ()):
        if type(label) is not str or "tlp" not in label[:4096].lower():
            continue
        level = tlp_named(label[:4096])
        if level is not None and level not in levels:
            detail = f"{shown(label)} says TLP:{level}; point to {MARKING_ID[level]}"
            say("tlp-in-label", ("labels", n), label, detail)


def _definition(x: Mapping[str, Any], marked: list[str], say: Say) -> None:
    id = x.get("id")
    if id in marked:
        say("marking-circular", ("object_marking_refs",), id, "it points to itself")
    level = TLP_OF_ID.get(id) if isinstance(id, str) else None
    said = defined_level(x)
    if level is not None and said != level:
        words = f"TLP:{said}" if said else "no level of TLP"
        say(
            "tlp-contradicted",
            (),
            None,
            f"this id stands for TLP:{level}, and its content says {words}",
        )
    elif level is None and said is not None:
        say("tlp-own-definition", (), None, f"TLP:{said} is published as {MARKING_ID[said]}")
