"""Laws of the case fold: order is nothing, and every statement ends up in exactly one place."""

from __future__ import annotations

import hashlib
import random
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tocsin.cases.fold import fold
from tocsin.cases.model import Said

PARTIES = ["cert.northland.example", "isac.westwater.example", "gridco.example", "portco.example"]
START = datetime(2026, 2, 3, 9, tzinfo=UTC)
CASE, SHA = "case--1", "ab" * 32


def told(seed: int) -> list[Said]:
    """A random story: plausible acts by anybody, in chains with gaps, doubles and odd clocks."""
    rnd = random.Random(seed)
    said: list[Said] = []
    chain: dict[str, int] = {}
    manifest = {"id": "urn:sha256:m", "sha256": SHA}

    def time(hours: float) -> str:
        return (START + timedelta(hours=round(hours))).isoformat().replace("+00:00", "Z")

    def put(author: str, kind: str, body: dict[str, Any], refs: tuple[str, ...] = ()) -> None:
        chain[author] = chain.get(author, 0) + rnd.choice([1] * 30 + [0, 2])
        re = body.get("re")
        said.append(
            Said(
                id=hashlib.sha256(f"{seed} {len(said)}".encode()).hexdigest(),
                author=author,
                seq=max(1, chain[author]),
                kind=kind,
                time=time(len(said) / 3 + rnd.choice([0, 0, 0, -20, 20])),
                body=body,
                refs=(*refs, *((re,) if re else ())),
                tlp=rnd.choice(["AMBER"] * 12 + ["RED"]),
            )
        )

    opening = {"title": "x", "class": "x", "tlp": "AMBER", "lang": "en"}
    put(
        PARTIES[0],
        "act",
        {"event": "case.open", "item": CASE, **opening, "quorum": {"k": 1, "of": 2}},
    )
    for _ in range(rnd.randint(5, 40)):
        who, other = rnd.choice(PARTIES), rnd.choice(PARTIES)
        ref = rnd.choice(said).id if rnd.random() < 0.97 else "ef" * 32
        last = {s.body.get("event"): s.id for s in said}
        n = rnd.randint(1, 2)
        choices: list[tuple[str, dict[str, Any]]] = [
            ("case.stage", {"stage": rnd.choice(["ACTIVE", "CLOSED"])}),
            ("case.invite", {"party": other, "role": "coordinator", "rsvp_by": time(50)}),
            ("case.join", {"re": last.get("case.invite", ref), "accept": rnd.random() < 0.8}),
            ("case.join", {"re": last.get("case.invite", ref), "accept": True}),
            ("case.leave", {}),
            ("case.remove", {"party": other, "reason": "x"}),
            (
                "hold.propose",
                {
                    "hold_kind": "disclosure",
                    "rev": n,
                    "terms": SHA,
                    "ends_at": time(40),
                    "max_at": time(60),
                    "text": "x",
                },
            ),
            ("hold.sign", {"re": last.get("hold.propose", ref), "terms": SHA}),
            ("hold.end", {"reason": "public"}),
            (
                "task.offer",
                {
                    "to": rnd.choice([other, "open"]),
                    "title": "x",
                    "text": "x",
                    "due": time(30),
                    "accept_by": time(20),
                    "criteria": "x",
                },
            ),
            ("task.accept", {"re": last.get("task.offer", ref)}),
            ("task.done", {"evidence": "x"}),
            ("task.verify", {}),
            (
                "advise.freeze",
                {"rev": n, "manifest": manifest, "policy": {"k": 1, "of": 2}, "sign_by": time(9)},
            ),
            ("advise.publish", {"re": last.get("advise.freeze", ref)}),
        ]
        event, fields = rnd.choice(choices)
        if rnd.random() < 0.15:
            body = {"manifest_sha256": SHA, "capacity": rnd.choice(["author", "endorses"])}
            put(who, "cosign", body, (last.get("advise.freeze", ref),))
        elif rnd.random() < 0.05:
            put(who, "withdraw", {}, (ref,))
        else:
            item = CASE if event.startswith("case.") else f"{event.partition('.')[0]}--1"
            put(who, "act", {"event": event, "item": item, **fields})
    return said


@given(st.integers(0, 2**32), st.integers(-5, 80), st.randoms(use_true_random=False))
def test_any_shuffle_of_the_statements_folds_to_an_equal_state(
    seed: int, hours: int, rnd: random.Random
) -> None:
    said = told(seed)
    now = START + timedelta(hours=hours)
    expected = fold(said, PARTIES, now)
    assert fold(rnd.sample(said, len(said)), PARTIES, now) == expected
    assert fold([*said, *rnd.sample(said, 3)], PARTIES, now) == expected


@given(st.integers(0, 2**32))
def test_every_statement_counts_is_void_waits_or_is_one_of_two(seed: int) -> None:
    said = told(seed)
    state = fold(said, PARTIES, START)
    places = [
        *(row.id for row in state.timeline),
        *(row.id for row in state.void),
        *(row.id for row in state.waiting),
        *(ref for row in state.equivocations for ref in row.ids),
    ]
    assert sorted(places) == sorted({one.id for one in said})


@given(st.integers(0, 2**32))
def test_a_hold_never_binds_past_its_end_or_without_a_signature(seed: int) -> None:
    said = told(seed)
    signed = {one.author for one in said if one.body.get("event") in ("hold.propose", "hold.sign")}
    for hours in (0, 39, 40, 61):
        for hold in fold(said, PARTIES, START + timedelta(hours=hours)).holds:
            assert set(hold.signatories) <= signed
            assert not (hours >= 40 and hold.in_force)
