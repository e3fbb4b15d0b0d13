"""What misp-stix makes of the same MISP, beside ours: equal where it matters, or a reason."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tocsin.importers import misp

ORG = "a0c22599-9e58-4da4-96ac-7051603fa951"
EVENT = "0d2f3e10-7f1b-4c3b-9a33-1b51ac3f0000"
CATEGORY = "its misp-category is a label, not a phase of a kill chain (STIX 2.1 §2.11)"
NUMBER = "numbers are numbers: '174' is text and never equals one (STIX 2.1 §9.6)"
EACH = (
    "each attribute for detection is an indicator of its own, under its own UUID: all of them "
    "ANDed match only where all are seen at once"
)
X_MISP = "no x_misp_ property: custom properties are deprecated (STIX 2.1 §11.1); it is a loss"

DEPARTS: dict[str, dict[str, str]] = {
    "attributes-as": {"indicator.pattern": NUMBER},
    "attributes-ip-dst-port": {"indicator.pattern": NUMBER},
    "objects-domain-ip": {"indicator": EACH, "domain-name.x_misp_hostname": "its value again",
                          "domain-name.x_misp_port": X_MISP},
    "objects-file": {"indicator": EACH, "file.x_misp_attachment": "it is the file's content_ref",
                     "artifact": "the pair's payload is abbreviated, and so no base64: a loss"},
    "objects-ip-port": {"indicator": EACH + "; the pair's pattern can never be true: one end is an "
                        "address and a name at once", "network-traffic.x_misp_domain": X_MISP,
                        "domain-name": "the name is an observable too"},
    "objects-network-connection": {"indicator": EACH + "; see objects-ip-port",
                                   "network-traffic.x_misp_hostname_dst": X_MISP,
                                   "domain-name": "the name is an observable too"},
    "objects-x509": {"indicator": EACH, "x509-certificate.x_misp_pem": X_MISP},
    "custom_objects-bank-account": {"x-misp-object": "no own object types: strict ends refuse them;"
                                    " the template is a loss by name"},
    "galaxies-threat-actor": {"threat-actor.modified": "a cluster has no time: the event's date",
                              "threat-actor.x_misp_cfr-type-of-incident": X_MISP},
}  # fmt: skip
"""By pair, what differs and why: a type that differs whole, or one property of it."""
EVERYWHERE: dict[str, str] = {
    "created": "the event's date: it never changes, and a MISP timestamp does (STIX 2.1 §3.2)",
    "created_by_ref": "compared by name in the event, not in a pair that has none",
    "id": "observables have the ids of STIX 2.1 §2.9",
    "kill_chain_phases": CATEGORY,
    "name": "indicators have their value as name, so that lists of them can be read",
    "object_marking_refs": "everything is marked",
    "description": "compared where COMPARED says",
}
"""Properties that are not compared, or not of every type, and why."""
COMPARED = {"description": ("indicator", "threat-actor"), "name": ("file", "threat-actor")}
"""Types of which such a property is compared none the less."""
PAIRS = sorted(
    {*DEPARTS, "attributes-domain-ip", "attributes-email-subject", "attributes-filename-sha256"}
)


def ours(pair: str, document: dict[str, Any], to_ids: bool) -> tuple[list[Any], list[str]]:
    thing = json.loads(json.dumps(document))
    event: dict[str, Any] = {
        "uuid": EVENT,
        "info": "x",
        "date": "2020-10-25",
        "timestamp": "1603642920",
        "Orgc": {"name": "MISP-Project", "uuid": ORG},
        "Tag": [{"name": "tlp:green"}],
    }
    if pair.startswith("attributes"):
        event["Attribute"] = [{**thing, "to_ids": to_ids}]
    elif pair.startswith("galaxies"):
        event["Galaxy"] = [thing]
    else:
        event["Object"] = [thing]
    reading = misp.read(json.dumps({"Event": event}).encode(), pair)
    return [o.data for o in reading.objects], [loss.kind for loss in reading.losses]


def compared(data: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """The properties that matter, references as what they refer to, times in one form."""
    made: dict[str, Any] = {}
    for name, value in data.items():
        if name in EVERYWHERE and data["type"] not in COMPARED.get(name, ()):
            continue
        if name.endswith("_ref"):
            value = known.get(value, {}).get("type")
        elif name.endswith("_refs"):
            value = sorted(str(known.get(v, {}).get("type")) for v in value)
        elif isinstance(value, str):
            value = re.sub(r"\.000Z$", "Z", value)
        if name == "labels":  # the comment of an observation, which the pair loses
            value = sorted(x for x in value if not x.startswith("misp:comment="))
        made[name] = value
    return made


def theirs_of(pair: dict[str, Any]) -> list[dict[str, Any]]:
    stix = pair["STIX"]
    return stix if isinstance(stix, list) else [stix]


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("to_ids", [True, False])
def test_a_pair_is_equal_in_what_matters_or_its_reason_is_written(
    corpus: Callable[[str], Path], name: str, to_ids: bool
) -> None:
    pair = json.loads(corpus(f"exchange/misp/{name}.json").read_text("utf-8"))
    made, losses = ours(name, pair["MISP"], to_ids)
    departs = DEPARTS.get(name, {})
    expected = theirs_of(pair)
    known = {o["id"]: o for o in made}
    known_there = {o["id"]: o for o in expected}
    used: set[str] = set()
    skipped = {"relationship"} | (
        {"observed-data"} if name.startswith("attr") and to_ids else set()
    )
    for one in expected:
        kind = one["type"]
        if kind in skipped or (kind == "indicator" and name.startswith("attr") and not to_ids):
            continue
        if kind not in ("observed-data", "indicator") and name.startswith("attr") and to_ids:
            continue
        if kind in departs:
            used.add(kind)
            continue
        candidates = [compared(o, known) for o in made if o["type"] == kind]
        want = compared(one, known_there)
        for field in [f.partition(".")[2] for f in departs if f.startswith(kind + ".")]:
            used.add(f"{kind}.{field}")
            want.pop(field, None)
            for candidate in candidates:
                candidate.pop(field, None)
        if kind == "observed-data":
            # What an object refers to besides: listed above by type.
            for each in [want, *candidates]:
                each["object_refs"] = [t for t in each["object_refs"] if t not in departs]
        if "artifact" in departs:
            for each in [want, *candidates]:
                each.pop("content_ref", None)
        assert want in candidates, (want, candidates)
    if "x-misp-object" in departs:
        assert "template" in losses
    if name.startswith("attributes"):
        assert losses == []


@pytest.mark.parametrize("name", [n for n in PAIRS if not n.startswith(("galaxies", "custom"))])
def test_a_pairs_uuid_is_ours(corpus: Callable[[str], Path], name: str) -> None:
    pair = json.loads(corpus(f"exchange/misp/{name}.json").read_text("utf-8"))
    made, _ = ours(name, pair["MISP"], True)
    kind = "indicator" if name.startswith("attributes") else "observed-data"
    assert f"{kind}--{pair['MISP']['uuid']}" in {o["id"] for o in made}


def test_every_pair_of_the_corpus_is_looked_at(corpus: Callable[[str], Path]) -> None:
    folder = corpus("exchange/misp")
    assert {p.stem for p in folder.glob("*-*.json")} == set(PAIRS)
