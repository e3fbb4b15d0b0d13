"""The six laws of a standing (claims.md §2.5), over random views of invented parties."""

from __future__ import annotations

import copy
import hashlib
import random
import uuid
from datetime import UTC, datetime
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin import canonical
from tocsin.claims.carrier import read
from tocsin.claims.model import ACCESS, CLAIM_TYPES, EXTENSION_ID, FORMS, KIND_CLASS, REQUIRED, View
from tocsin.claims.standing import (
    BASES,
    Standing,
    _Weighing,
    level,
    required_links,
    standing,
    standings,
)

Object = dict[str, Any]
LAW = settings(max_examples=120)
AT = datetime(2026, 2, 15, tzinfo=UTC)
_SPACE = uuid.UUID("6f1d0c52-0000-4000-8000-000000000000")


def ref(kind: str, key: str) -> str:
    return f"{kind}--{uuid.uuid5(_SPACE, kind + key)}"


PARTIES = [ref("identity", f"party {n}") for n in range(6)]
STRANGERS = [ref("identity", f"stranger {n}") for n in range(3)]


def carried(kind: str, key: str, role: str, publisher: str, x: Object, **native: Any) -> Object:
    at = "2026-02-01T00:00:00.000Z"
    return {
        "type": kind,
        "spec_version": "2.1",
        "id": ref(kind, key),
        "created_by_ref": publisher,
        "created": at,
        "modified": at,
        **native,
        "extensions": {EXTENSION_ID: {"extension_type": "property-extension", "role": role, **x}},
    }


def x_of(one: Object) -> Object:
    found: Object = one["extensions"][EXTENSION_ID]
    return found


def day(n: int) -> Object:
    return {"value": f"2026-02-{n:02d}", "precision": "day"}


def url(key: str) -> Object:
    references = [{"source_name": "page", "url": f"https://{key}.example/"}]
    return {"external_references": references}


class World:
    """A random view, small enough that chances meet."""

    def __init__(self, rnd: random.Random) -> None:
        self.rnd = rnd
        self.objects: list[Object] = [
            {
                "type": "identity",
                "spec_version": "2.1",
                "id": party,
                "created": "2026-01-01T00:00:00.000Z",
                "modified": "2026-01-01T00:00:00.000Z",
                "name": f"party {number}",
            }
            for number, party in enumerate(PARTIES)
        ]
        self.claims = [self.claim(n) for n in range(rnd.randint(1, 3))]
        self.evidence = [self.piece(n) for n in range(rnd.randint(0, 7))]
        derived = [self.derive(n) for n in range(rnd.randint(0, 5)) if self.evidence]
        controls = [self.control(n) for n in range(rnd.randint(0, 2))]
        # One object for each id: two of one instant would be told apart by their bytes alone.
        self.derived = list({one["id"]: one for one in derived}.values())
        self.controls = list({one["id"]: one for one in controls}.values())
        self.challenges: list[Object] = []
        self.supports: list[Object] = []
        for piece in self.evidence:
            for target in rnd.sample(self.claims, rnd.randint(0, len(self.claims))):
                self.support(piece["id"], target["id"])
        for n in range(rnd.randint(0, 7)):
            self.challenges.append(self.challenge(n))
            if self.evidence and rnd.random() < 0.5:
                self.support(rnd.choice(self.evidence)["id"], self.challenges[-1]["id"])
        if rnd.random() < 0.3:
            self.support(ref("grouping", "not held"), rnd.choice(self.claims)["id"])
        for group in (
            self.claims,
            self.evidence,
            self.challenges,
            self.supports,
            self.derived,
            self.controls,
        ):
            self.objects += group

    def some_url(self, key: str, chance: float = 0.5) -> Object:
        return url(key) if self.rnd.random() < chance else {}

    def events(self, speaker: str, publisher: str) -> Object:
        if self.rnd.random() > 0.15:
            return {}
        by = self.rnd.choice([speaker, publisher, *PARTIES])
        status = self.rnd.choice(["open", "corrected", "withdrawn", "superseded", "odd"])
        return {"status_events": [{"status": status, "at": "2026-02-10", "by_ref": by}]}

    def claim(self, n: int) -> Object:
        rnd = self.rnd
        speaker, publisher = rnd.choice(PARTIES), rnd.choice(PARTIES)
        kind = rnd.choice(list(REQUIRED) if rnd.random() < 0.9 else [*CLAIM_TYPES, "odd"])
        names: Object = {}
        if rnd.random() < 0.6:
            names["actor_ref"] = ref("intrusion-set", "group")
        if rnd.random() < 0.4:
            names["sponsor_ref"] = rnd.choice(PARTIES)
        x: Object = {
            "claim_type": kind,
            "speaker_ref": speaker,
            "asserted_at": day(rnd.randint(1, 20)),
            "steps": [{"link": "actor", "name": "one"}, {"link": "sponsor", "name": "two"}],
            "gist": "it is said",
            "flags": [{"name": "as-reported", "of": "outlet"}],
            **self.events(speaker, publisher),
        }
        if names:
            x["names"] = names
        if rnd.random() < 0.5:
            x["addressee_refs"] = rnd.sample(PARTIES, rnd.randint(1, 2))
        return carried("note", f"claim {n}", "claim", publisher, x, content="words", object_refs=[])

    def piece(self, n: int) -> Object:
        rnd = self.rnd
        producers = rnd.sample(PARTIES, rnd.choice([1, 1, 1, 2]))
        x: Object = {
            "kind": rnd.choice(list(KIND_CLASS) if rnd.random() < 0.4 else ["telemetry"]),
            "producer_refs": producers,
            "access": rnd.choice([*ACCESS, "described", "inspectable", "inspectable", "odd"]),
            "commitment": "0" * 64,
            "court": "court of Westwater",
        }
        if rnd.random() < 0.3:
            x["origin"] = rnd.choice(["tap", "disk"])
        if rnd.random() < 0.2:
            x["access_for"] = {rnd.choice(PARTIES): rnd.choice(ACCESS)}
        if rnd.random() < 0.4:
            x["published"] = day(rnd.randint(1, 20))
        publisher = rnd.choice([*producers, rnd.choice(PARTIES)])
        return carried(
            "grouping",
            f"piece {n}",
            "evidence",
            publisher,
            x,
            name=f"piece {n}",
            context="unspecified",
            object_refs=producers,
            **self.some_url(f"piece{n}", 0.8),
        )

    def support(self, source: str, target: str) -> None:
        links = self.rnd.sample(["activity", "actor", "sponsor", "statement"], 2)
        links = self.rnd.choice([["activity", "actor", "sponsor", "statement"], links, links[:1]])
        new = self.relate("supports", source, target, {"links": links}, self.rnd.choice(PARTIES))
        if new["id"] not in {one["id"] for one in self.supports}:
            self.supports.append(new)

    def relate(
        self, kind: str, source: str, target: str, x: Object, publisher: str, **native: Any
    ) -> Object:
        return carried(
            "relationship",
            f"{kind} {source} {target}",
            "link",
            publisher,
            x,
            relationship_type=kind,
            source_ref=source,
            target_ref=target,
            **native,
        )

    def derive(self, n: int) -> Object:
        rnd = self.rnd
        source = rnd.choice(self.evidence)
        target = rnd.choice([*self.evidence, {"id": ref("grouping", "not held either")}])
        who = rnd.choice([rnd.choice(PARTIES), *x_of(source)["producer_refs"]])
        native = self.some_url(f"derived{n}", 0.3)
        return self.relate("derived-from", source["id"], target["id"], {}, who, **native)

    def control(self, n: int) -> Object:
        a, b = self.rnd.sample(PARTIES, 2)
        who = self.rnd.choice([a, b, PARTIES[0]])
        native = self.some_url(f"control{n}", 0.3)
        return self.relate("controlled-by", a, b, {"basis": "ownership"}, who, **native)

    def challenge(self, n: int, bare_by: str | None = None) -> Object:
        rnd = self.rnd
        form = rnd.choice([*sorted(FORMS), "undercut", "undercut"])
        under = [*self.evidence, *self.supports, *self.challenges, *self.derived, *self.controls]
        if form == "undercut" and not under:
            form = "rebut"
        target = rnd.choice(under if form == "undercut" else self.claims)
        speaker = bare_by or rnd.choice(PARTIES)
        publisher = bare_by or rnd.choice([speaker, rnd.choice(PARTIES)])
        x: Object = {"form": form, "speaker_ref": speaker, "asserted_at": day(rnd.randint(1, 20))}
        if bare_by is None:
            x |= self.events(speaker, publisher)
            if rnd.random() < 0.2:
                x["scope"] = "class"
            if form == "alternative" and rnd.random() < 0.6:
                x["counter_claim_ref"] = rnd.choice(self.claims)["id"]
        key = f"{'bare' if bare_by else 'challenge'} {n}"
        native = {"object_refs": [target["id"]], "opinion": "disagree", **self.some_url(f"c{n}")}
        return carried("opinion", key, "challenge", publisher, x, **native)


def view_of(objects: list[Object]) -> View:
    view = read([(o, hashlib.sha256(orjson.dumps(o)).hexdigest()) for o in objects])
    assert not view.broken
    return view


def core(one: Standing) -> Object:
    found = one.to_json()
    return {name: found[name] for name in ("level", "base", "links")}


def worlds() -> st.SearchStrategy[World]:
    return st.integers(min_value=0, max_value=2**32).map(lambda seed: World(random.Random(seed)))


readers = st.sampled_from([None, *PARTIES[:2]])
times = st.sampled_from([None, AT])


@LAW
@given(worlds(), readers, times)
def test_repetition_changes_nothing(world: World, reader: str | None, at: datetime | None) -> None:
    def of(one: Standing) -> Object:
        return core(one) | {"roots": one.roots}

    before = {s.claim: of(s) for s in standings(view_of(world.objects), reader, at)}
    added: list[Object] = []
    sources = {link["source_ref"] for link in world.derived}
    originals = [piece for piece in world.evidence if piece["id"] not in sources]
    for original in originals:
        copied = original
        for n in range(world.rnd.randint(1, 3)):
            # A copy of the piece, or of the copy before it, that its own producer calls a copy.
            fresh = ref("identity", f"copyist {n} of {original['id']}")
            new = copy.deepcopy(original)
            new["id"] = ref("grouping", f"copy {n} of {original['id']}")
            new["created_by_ref"] = fresh
            x_of(new)["producer_refs"] = [fresh]
            x_of(new)["origin"] = f"origin {n} of {original['id']}"
            added += [new, world.relate("derived-from", new["id"], copied["id"], {}, fresh)]
            for link in world.supports:
                if link["source_ref"] == original["id"]:
                    links = {"links": x_of(link)["links"]}
                    added.append(
                        world.relate("supports", new["id"], link["target_ref"], links, fresh)
                    )
            copied = world.rnd.choice([original, new])
    after = {s.claim: of(s) for s in standings(view_of([*world.objects, *added]), reader, at)}
    assert after == before


@LAW
@given(worlds(), readers, times)
def test_bare_words_change_nothing(world: World, reader: str | None, at: datetime | None) -> None:
    def of(one: Standing) -> Object:
        return core(one) | {"dropped": one.to_json()["dropped"]}

    before = {s.claim: of(s) for s in standings(view_of(world.objects), reader, at)}
    words = [world.challenge(n, world.rnd.choice(STRANGERS)) for n in range(40)]
    after = {s.claim: of(s) for s in standings(view_of([*world.objects, *words]), reader, at)}
    assert after == before


@LAW
@given(worlds(), readers, times)
def test_a_rivals_bare_word_about_itself_lowers_nobody_else(
    world: World, reader: str | None, at: datetime | None
) -> None:
    """Pieces and ties without a source, all by one who made nothing that anybody rests on."""

    def of(one: Standing) -> Object:
        return core(one) | {"dropped": one.to_json()["dropped"], "roots": one.roots}

    before = {s.claim: of(s) for s in standings(view_of(world.objects), reader, at)}
    rnd, rival = world.rnd, STRANGERS[0]
    said = []
    for n in range(3):
        kind = {"kind": rnd.choice(list(KIND_CLASS)), "producer_refs": [rival]}
        x: Object = {**kind, "access": "inspectable", "court": "court of Westwater"}
        if rnd.random() < 0.5 and world.evidence:
            x["origin"] = rnd.choice(world.evidence)["id"]
        native = {"name": f"word {n}", "context": "unspecified", "object_refs": [rival]}
        said.append(carried("grouping", f"word {n}", "evidence", rival, x, **native, **url("r")))
    words = [one["id"] for one in said]
    pieces = [*(one["id"] for one in world.evidence), *words]
    for _ in range(rnd.randint(1, 8)):
        source, target = rnd.sample([rnd.choice(pieces), rnd.choice(words)], 2)
        if source != target:
            said.append(world.relate("derived-from", source, target, {}, rival))
    for party in rnd.sample(PARTIES, rnd.randint(0, 4)):
        source, target = rnd.sample([rival, party], 2)
        said.append(world.relate("controlled-by", source, target, {"basis": "declared"}, rival))
    for n in range(rnd.randint(0, 3)):
        x = {"form": "undercut", "speaker_ref": rival, "asserted_at": day(1)}
        native = {"object_refs": [rnd.choice(words)], "opinion": "disagree"}
        said.append(carried("opinion", f"own {n}", "challenge", rival, x, **native))
    said = [one for one in said if one["id"] not in {held["id"] for held in world.objects}]
    said = list({one["id"]: one for one in said}.values())
    after = {s.claim: of(s) for s in standings(view_of([*world.objects, *said]), reader, at)}
    assert after == before


@LAW
@given(worlds(), readers, times, st.randoms(use_true_random=False))
def test_any_order_gives_the_same_bytes(
    world: World, reader: str | None, at: datetime | None, rnd: random.Random
) -> None:
    shuffled = rnd.sample(world.objects, len(world.objects))
    before = [s.to_json() for s in standings(view_of(world.objects), reader, at)]
    after = [s.to_json() for s in standings(view_of(shuffled), reader, at)]
    assert canonical.encode(after) == canonical.encode(before)


@LAW
@given(worlds(), readers, times, st.permutations(PARTIES))
def test_any_renaming_of_parties_gives_the_same_levels_and_links(
    world: World, reader: str | None, at: datetime | None, renamed: list[str]
) -> None:
    text = orjson.dumps(world.objects).decode()
    for number, party in enumerate(PARTIES):
        text = text.replace(party, f"<{number}>")
    for number, party in enumerate(renamed):
        text = text.replace(f"<{number}>", party)
    other = reader and renamed[PARTIES.index(reader)]
    before = {s.claim: core(s) for s in standings(view_of(world.objects), reader, at)}
    after = {s.claim: core(s) for s in standings(view_of(orjson.loads(text)), other, at)}
    assert after == before


@LAW
@given(worlds(), readers, times)
def test_evidence_never_hurts(world: World, reader: str | None, at: datetime | None) -> None:
    view = view_of(world.objects)
    fresh = world.rnd.choice([*STRANGERS, *PARTIES])
    claim = world.rnd.choice(world.claims)["id"]
    piece = carried(
        "grouping",
        "fresh",
        "evidence",
        fresh,
        {"kind": "telemetry", "producer_refs": [fresh], "access": "inspectable"},
        name="fresh",
        context="unspecified",
        object_refs=[fresh],
        **url("fresh"),
    )
    links = world.rnd.sample(["activity", "actor", "sponsor", "statement"], 2)
    link = world.relate("supports", piece["id"], claim, {"links": links}, fresh)
    more = view_of([*world.objects, piece, link])
    for one in standings(view, reader, at):
        if one.claim != claim or one.base is None:
            continue
        base = standing(more, claim, reader, at).base
        assert base is not None
        assert BASES.index(base) >= BASES.index(one.base)


def less(world: World, claim: Object) -> list[Object]:
    """The world with less said in one claim, or by the supports of it."""
    rnd = world.rnd
    objects = copy.deepcopy(world.objects)
    for one in objects:
        if one["id"] == claim["id"]:
            x = x_of(one)
            for name in [n for n in x if n not in ("role", "claim_type", "asserted_at")]:
                # Whose word a status is goes by speaker_ref: it belongs to the events.
                status = name == "speaker_ref" and "status_events" in x
                if name in ("extension_type", "status_events") or status or rnd.random() < 0.6:
                    continue
                if name == "names" and rnd.random() < 0.6:
                    x[name].pop(rnd.choice(sorted(x[name])))
                elif isinstance(x[name], list) and rnd.random() < 0.6:
                    x[name].pop(rnd.randrange(len(x[name])))
                else:
                    del x[name]
        elif one.get("relationship_type") == "supports" and one["target_ref"] == claim["id"]:
            links = x_of(one)["links"]
            if rnd.random() < 0.4:
                x_of(one)["links"] = rnd.sample(links, rnd.randrange(len(links)))
    return objects


@settings(max_examples=300)
@given(worlds(), readers, times)
def test_saying_less_never_helps(world: World, reader: str | None, at: datetime | None) -> None:
    claim = world.rnd.choice(world.claims)
    full, thin = view_of(world.objects), view_of(less(world, claim))
    asked = required_links(full.claims[claim["id"]])
    asked_now = required_links(thin.claims[claim["id"]])
    if set(asked_now) < set(asked):
        return  # the last thing that points past a named group is gone: another, lesser claim
    before = {s.claim: s for s in standings(full, reader, at)}.get(claim["id"])
    if before is None:
        return
    after = standing(thin, claim["id"], reader, at)
    assert (before.base is None) == (after.base is None)
    if before.base is None or after.base is None:
        assert after.level == before.level
        return
    only_sponsor = [n for n, g in after.links.items() if g.grade != "none-shown"] == ["sponsor"]
    if asked_now != asked and only_sponsor:
        # The one gap of the law we know of; see
        # test_a_claim_that_stops_naming_its_group_gains_its_sponsor_link in tests/unit/claims.
        assert (before.base, after.base) != ("none-shown", "links-missing") or len(asked) == 2
        return
    assert BASES.index(after.base) <= BASES.index(before.base)


@LAW
@given(worlds(), readers, times)
def test_a_claim_stands_alone_as_it_does_among_all(
    world: World, reader: str | None, at: datetime | None
) -> None:
    view = view_of(world.objects)
    together = standings(view, reader, at)
    assert [standing(view, one.claim, reader, at) for one in together] == together
    assert [level(view, one.claim, reader, at) for one in together] == [
        one.level for one in together
    ]


@LAW
@given(worlds(), readers, times)
def test_a_grade_is_what_comparing_every_pair_of_roots_gives(
    world: World, reader: str | None, at: datetime | None
) -> None:
    view = view_of(world.objects)
    weighing = _Weighing(view, reader, at, None)
    for one in standings(view, reader, at):
        claim = view.claims[one.claim]
        weighing.label(weighing.kept.scope(claim.id))
        roots = weighing.derivation.roots  # made anew with every label
        for name in required_links(claim) if one.base else ():
            pieces = weighing._pieces(claim, name)
            strong = [piece for piece in pieces if piece.strength >= 2]
            pairs = [
                (a, b)
                for a in strong
                for b in strong
                if not roots(a.evidence.id) & roots(b.evidence.id)
            ]
            expected = (
                "independent-roots"
                if any(a.open or b.open for a, b in pairs)
                else "one-root"
                if strong
                else "indicative"
                if pieces
                else "none-shown"
            )
            assert one.links[name].grade == expected
            said = any(r.code == "not-inspectable" and r.ref == name for r in one.reasons)
            assert said == (expected == "one-root" and bool(pairs))


def test_a_fallen_tie_is_as_if_nobody_had_said_it() -> None:
    """Where every tie that is challenged falls, the world stands as one without those ties."""
    fell = 0
    for seed in range(600):
        world = World(random.Random(seed))
        view = view_of(world.objects)
        if not view.challenged_ties:
            continue
        weighing = _Weighing(view, None, None, None)
        weighing.label(sorted({*view.evidence, *view.links, *view.challenges}))
        undercuts = {
            tie.id: one.id for one, tie in weighing.kept.undercut_ties(sorted(view.challenges))
        }
        left = set(weighing._fallen)
        if not undercuts or left != view.challenged_ties or not set(undercuts) <= left:
            continue
        told = {d.id for s in standings(view) for d in s.dropped}
        if not told & left:
            continue
        fell += 1
        without = view_of([one for one in world.objects if one["id"] not in left])
        assert [core(s) for s in standings(view)] == [core(s) for s in standings(without)]
    assert fell >= 5
