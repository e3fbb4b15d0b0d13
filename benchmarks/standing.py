"""Q3: how the time for weighing grows with the number of objects (claims.md §3, goal <= 2.3).

Three shapes, because each could hide a square: many small disputes; one claim under very many
pieces that all share something; one long chain of copies. `peer` is the smaller size.

    python -m benchmarks.standing [RUNS]
"""

from __future__ import annotations

import itertools
import random
import sys
import uuid
from collections.abc import Callable
from typing import Any

from benchmarks.figures import cpu_seconds, figure

from tocsin.claims.carrier import read
from tocsin.claims.model import EXTENSION_ID
from tocsin.claims.standing import standings

SEED = 20260203
SMALL, LARGE = 10_000, 20_000
Object = dict[str, Any]


class World:
    def __init__(self, count: int) -> None:
        self.rnd = random.Random(SEED)
        self.count = count
        self.objects: list[Object] = []
        self.parties = [self.id("identity") for _ in range(200)]

    def id(self, kind: str) -> str:
        return f"{kind}--{uuid.UUID(int=self.rnd.getrandbits(128), version=4)}"

    def add(self, kind: str, role: str, x: Object, **native: Any) -> str:
        publisher = native.pop("by", None) or self.rnd.choice(self.parties)
        extension = {"extension_type": "property-extension", "role": role, **x}
        one = {
            "type": kind,
            "spec_version": "2.1",
            "id": self.id(kind),
            "created_by_ref": publisher,
            "created": "2026-02-03T09:00:00.000Z",
            "modified": "2026-02-03T09:00:00.000Z",
            **native,
            "extensions": {EXTENSION_ID: extension},
        }
        self.objects.append(one)
        return str(one["id"])

    def claim(self) -> str:
        x = {
            "claim_type": "attribution",
            "speaker_ref": self.rnd.choice(self.parties),
            "asserted_at": {"value": "2026-02-03", "precision": "day"},
            "names": {"sponsor_ref": self.rnd.choice(self.parties)},
        }
        return self.add("note", "claim", x, content="words", object_refs=[])

    def piece(self, origin: str | None = None) -> tuple[str, str]:
        producer = self.rnd.choice(self.parties)
        access = self.rnd.choice(["described", "inspectable"])
        x = {"kind": "telemetry", "producer_refs": [producer], "access": access}
        if origin:
            x["origin"] = origin
        page = [{"source_name": "page", "url": "https://page.example/"}]
        native = {"name": "piece", "object_refs": [producer], "external_references": page}
        return self.add("grouping", "evidence", x, by=producer, **native), producer

    def relate(self, kind: str, source: str, target: str, by: str | None = None) -> str:
        x = {"links": ["activity", "actor", "sponsor"]} if kind == "supports" else {}
        ends = {"relationship_type": kind, "source_ref": source, "target_ref": target}
        return self.add("relationship", "link", x, by=by, **ends)

    def challenge(self, form: str, target: str, **x: Any) -> str:
        said = {"form": form, "speaker_ref": self.rnd.choice(self.parties), **x}
        said["asserted_at"] = {"value": "2026-02-04", "precision": "day"}
        return self.add("opinion", "challenge", said, object_refs=[target])


def many_disputes(world: World) -> None:
    before: str | None = None
    while len(world.objects) < world.count:
        claim = world.claim()
        pieces = [world.piece(f"origin {world.rnd.randint(0, 3)}") for _ in range(5)]
        supports = [world.relate("supports", piece, claim) for piece, _ in pieces]
        for (copied, who), (source, _) in itertools.pairwise(pieces[:3]):
            world.relate("derived-from", copied, source, who)
        world.challenge("denial", claim)
        rebuttal = world.challenge("rebut", claim)
        world.relate("supports", world.rnd.choice(pieces)[0], rebuttal)
        world.challenge("undercut", world.rnd.choice(supports))
        undercut = world.challenge("undercut", world.rnd.choice(pieces)[0])
        world.relate("supports", pieces[-1][0], undercut)
        if before is not None and world.rnd.random() < 0.3:
            world.challenge("alternative", claim, counter_claim_ref=before)
        before = claim


def one_crowd(world: World) -> None:
    claim = world.claim()
    while len(world.objects) < world.count:
        piece, _ = world.piece("one tap")
        world.relate("supports", piece, claim)
        world.challenge("undercut", piece)


def one_chain(world: World) -> None:
    claim = world.claim()
    last, _ = world.piece()
    while len(world.objects) < world.count:
        piece, who = world.piece()
        world.relate("supports", piece, claim)
        world.relate("derived-from", piece, last, who)
        last = piece


def pairs(shape: Callable[[World], None], count: int) -> list[tuple[Object, str]]:
    """What `read` takes, of one shape and size."""
    world = World(count)
    shape(world)
    return [(one, "0" * 64) for one in world.objects]


def main() -> None:
    """Print the figures of this file: the best of each size, the sizes taking turns."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    for shape in (many_disputes, one_crowd, one_chain):
        worlds = pairs(shape, SMALL), pairs(shape, LARGE)
        best = [float("inf"), float("inf")]
        for _ in range(runs):
            for place, world in enumerate(worlds):
                [taken] = cpu_seconds(lambda world=world: standings(read(world)), 1)  # type: ignore[misc]
                best[place] = min(best[place], taken)
        figure(
            "Q3",
            f"weighing, {shape.__name__.replace('_', ' ')}: {LARGE:,} objects over {SMALL:,}",
            ours=best[1],
            peer=best[0],
            ratio=best[1] / best[0],
            goal="<= 2.3",
            unit="s",
            n=runs,
            seed=SEED,
            packages=("tocsin", "msgspec"),
        )


if __name__ == "__main__":
    main()
