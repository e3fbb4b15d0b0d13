"""A view with some versions replaced is the view that is read of all objects anew."""

from __future__ import annotations

import copy
import hashlib
import random
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st
from tests.properties.test_standing_laws import LAW, World, worlds, x_of

from tocsin.claims.carrier import read, replaced
from tocsin.claims.model import EXTENSION_ID, View

Object = dict[str, Any]


def pairs(objects: list[Object]) -> list[tuple[Object, str]]:
    return [(one, hashlib.sha256(orjson.dumps(one)).hexdigest()) for one in objects]


def another(one: Object, objects: list[Object], rnd: random.Random) -> Object:
    """Another version of an object: with other content, other places, or broken."""
    new = copy.deepcopy(one)
    if EXTENSION_ID not in new.get("extensions", {}):
        new["name"] = "another name"
        return new
    x, same = x_of(new), [o["id"] for o in objects if o["type"] == one["type"]]
    what = rnd.randrange(6)
    if what == 0:
        x.pop("role")
    elif what == 1:
        x["claim_type" if "claim_type" in x else "kind" if "kind" in x else "form"] = 7
    elif what == 2 and "origin" in x:
        x["origin"] = rnd.choice(["origin 1", "origin 2", "new"])
    elif what == 3 and "target_ref" in new:
        new["target_ref"] = rnd.choice([o["id"] for o in objects])
    elif what == 4 and new["type"] == "opinion":
        new["object_refs"] = [rnd.choice([o["id"] for o in objects])]
    elif what == 5 and "relationship_type" in new:
        new["relationship_type"] = rnd.choice(["supports", "quotes", "derived-from"])
    else:
        new["description"] = rnd.choice(same)
    return new


def inside(view: View) -> list[list[str]]:
    tables = (view.claims, view.evidence, view.challenges, view.links, view.objects)
    return [list(table) for table in tables]


@LAW
@given(worlds(), st.randoms(use_true_random=False))
def test_replacing_versions_is_reading_them(world: World, rnd: random.Random) -> None:
    objects = world.objects
    before = [another(one, objects, rnd) if rnd.random() < 0.2 else one for one in objects]
    after = [another(one, objects, rnd) if rnd.random() < 0.2 else one for one in objects]
    changed = [new for old, new in zip(before, after, strict=True) if old is not new]
    whole = read(pairs(after))
    made = replaced(read(pairs(before)), pairs(changed))
    assert made == whole
    assert inside(made) == inside(whole)
