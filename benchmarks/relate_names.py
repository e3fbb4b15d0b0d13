"""N1 N2: look up names in public lists, and compare with the groups of a public catalogue.

N1: every name of one list (2,361 folded) asked of it. The ceiling is a dictionary from the folded
name to an answer made before. N2: 24 campaigns, each compared with 172 candidates. The ceiling is
the shortest code that gives the one column of containments, without what stands apart, how common
each item is, and the list; both must give the same numbers.

    python -m benchmarks.relate_names [RUNS]

Spec: claims.md §4.
"""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from typing import Any

from benchmarks.figures import CORPUS, cpu_median, figure

from tocsin.importers.actors import read_actors
from tocsin.relate.names import Names, fold
from tocsin.relate.overlap import Known, known, overlap, subject_of

GALAXY = CORPUS / "claims" / "naming" / "threat-actor.json"
CATALOGUE = CORPUS / "claims" / "attack" / "attack_v18_1_compact.json"


def catalogue() -> tuple[Known, list[str]]:
    """The compact catalogue as STIX, and its campaigns that have a group."""
    data = json.loads(CATALOGUE.read_text("utf-8"))

    def cited(one: dict[str, Any]) -> list[dict[str, str]]:
        return [{"source_name": ref} for ref in one.get("refs", [])]

    objects: list[dict[str, Any]] = [
        {**one, "external_references": cited(one)} for one in data["objects"]
    ]
    objects += [
        {
            "type": "relationship",
            "id": f"relationship--{n:08d}-1111-4111-8111-111111111111",
            "relationship_type": one["r"],
            "source_ref": one["s"],
            "target_ref": one["t"],
            "external_references": cited(one),
        }
        for n, one in enumerate(data["relationships"])
    ]
    campaigns = sorted({one["s"] for one in data["relationships"] if one["r"] == "attributed-to"})
    return known(objects), campaigns


def plain(have: Known, campaign: str) -> dict[str, float]:
    """The same containments, once, by the shortest code that gives them: no second column."""
    items = frozenset(have.uses.get(campaign, {}))
    groups = {g: frozenset(have.uses.get(g, {})) for g in have.groups if g != campaign}
    users = Counter(item for used in groups.values() for item in used & items)
    weight = {i: math.log(len(groups) / max(users[i], 1)) for i in items}
    whole = sum(weight.values()) or 1.0
    return {g: sum(weight[i] for i in used & items) / whole for g, used in groups.items()}


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    file = read_actors(GALAXY.read_bytes(), GALAXY.name)
    names = Names(file.records)
    asked = [name for r in file.records for name in (r.name, *(a.name for a in r.aliases))]
    ready = {fold(name): names.look_up(name).candidates for name in asked}

    def ours() -> None:
        for name in asked:
            names.look_up(name)

    def ceiling() -> None:
        for name in asked:
            ready.get(fold(name))

    figure(
        "N1",
        f"look-up of one name in {len(names):,}, folding and all candidates",
        ours=cpu_median(ours, runs) / len(asked) * 1e6,
        peer=cpu_median(ceiling, runs) / len(asked) * 1e6,
        goal="no goal was set; the ceiling is a dictionary of ready answers",
        unit="us",
        n=runs,
    )
    have, campaigns = catalogue()
    for campaign in campaigns:
        bare = plain(have, campaign)
        for group in overlap(have, subject_of(have, campaign)).groups:
            if abs(bare[group.id] - group.containment) > 0.0001:
                raise SystemExit(f"{campaign}: {group.id} is {group.containment} here")

    def compare() -> None:
        for campaign in campaigns:
            overlap(have, subject_of(have, campaign))

    def plainest() -> None:
        for campaign in campaigns:
            plain(have, campaign)

    figure(
        "N2",
        f"overlap of one campaign with {len(have.groups)} candidates, as is and apart, listed",
        ours=cpu_median(compare, runs) / len(campaigns) * 1e3,
        peer=cpu_median(plainest, runs) / len(campaigns) * 1e3,
        goal="no goal was set; the ceiling is one column of bare containments",
        unit="ms",
        n=runs,
    )


if __name__ == "__main__":
    main()
