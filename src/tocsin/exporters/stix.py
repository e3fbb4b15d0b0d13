"""STIX out: the objects as the bytes they came in, and the definition of every TLP level on them.

Spec: STIX 2.1 §7.2, §8.
"""

from __future__ import annotations

from tocsin.exporters.interface import Selection, Written
from tocsin.policy import TLP_ORDER
from tocsin.stix.bundle import write_bundle
from tocsin.stix.ids import deterministic
from tocsin.stix.markings import MARKING_ID, marking_definition


def write(selection: Selection) -> Written:
    """One bundle."""
    held = {thing.data["id"] for thing in selection.things}
    named = {
        ref for thing in selection.things for ref in thing.data.get("object_marking_refs") or ()
    }
    raws = [
        marking_definition(level)
        for level in TLP_ORDER
        if MARKING_ID[level] in named and MARKING_ID[level] not in held
    ]
    raws += [thing.raw for thing in selection.things]
    return Written(
        raw=write_bundle(raws, deterministic("bundle", selection.key)),
        media_type="application/stix+json;version=2.1",
        suffix=".json",
        count=len(raws),
    )
