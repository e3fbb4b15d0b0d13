"""Law: many statements at once get the verdicts that they would get one after the other."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.record.dossier_case import CASE, EAST, NORTH, SIGNERS, Case

from tocsin.errors import MarkingError, SignatureError, TocsinError
from tocsin.policy import Audience
from tocsin.record.admission import (
    ChainHead,
    Opened,
    Signed,
    Verifier,
    admit,
    admit_many,
    verify_all,
)
from tocsin.record.directory import KeyRing
from tocsin.record.envelope import Verified, assemble, open_statement
from tocsin.record.statement import Statement

HIDDEN, STRICT = "c" * 64, "d" * 64


def _ring(case: Case) -> KeyRing:
    ring = KeyRing(case.root)
    for index, raw in enumerate(case.raws[:3]):
        envelope, statement = open_statement(raw)
        ring.admit_key(Verified(id=envelope.id, raw=raw, statement=statement), index)
    return ring


def _markings(ref: str) -> Audience | None:
    return Audience(author=EAST, tlp="AMBER") if ref == STRICT else None


def _spoilt(raw: bytes) -> bytes:
    """The same statement with a signature that does not verify."""
    envelope, statement = open_statement(raw)
    return assemble(envelope.payload, {statement.key: bytes(64)})


def _heads(raws: Sequence[bytes]) -> dict[tuple[str, str], ChainHead]:
    heads = {}
    for raw in raws:
        envelope, s = open_statement(raw)
        heads[s.author, s.chain] = ChainHead(seq=s.seq, head=envelope.id)
    return heads


def _one_by_one(raws: Sequence[bytes], ring: KeyRing) -> list[Verified | TocsinError]:
    heads: dict[tuple[str, str], ChainHead] = {}
    found: list[Verified | TocsinError] = []
    for raw in raws:
        _, s = open_statement(raw)
        head = heads.get((s.author, s.chain))
        try:
            one = admit(raw, keyring=ring, chain=head, index=None, markings=_markings)
        except TocsinError as wrong:
            found.append(wrong)
        else:
            heads[s.author, s.chain] = ChainHead(seq=s.seq, head=one.id)
            found.append(one)
    return found


def _at_once(
    raws: Sequence[bytes], ring: KeyRing, verifier: Verifier = verify_all
) -> list[Verified | TocsinError]:
    opened: list[Opened] = [open_statement(raw) for raw in raws]

    def markings(statement: Statement, ref: str) -> Audience | None:
        return _markings(ref)

    return admit_many(
        opened,
        keyring=ring,
        chain=lambda _: None,
        index=None,
        markings=markings,
        verifier=verifier,
    )


_STEP = st.tuples(
    st.sampled_from((NORTH, EAST)),
    st.sampled_from((None, CASE, "case-2")),
    st.sampled_from(("good", "bad signature", "gap", "again", "loose", "stranger", "fork")),
)


@settings(deadline=None, max_examples=150)
@given(st.lists(_STEP, max_size=14))
def test_many_at_once_get_the_verdicts_of_one_by_one(
    steps: list[tuple[str, str | None, str]],
) -> None:
    case = Case()
    ring = _ring(case)
    raws: list[bytes] = []
    for author, name, fault in steps:
        if fault == "again" and raws:
            raws.append(raws[-1])
        elif fault == "stranger":
            signer = SIGNERS[NORTH if author == EAST else EAST]
            raws.append(case.enter(author, "act", {"event": "x"}, case=name, signer=signer))
        elif fault == "gap":
            raws.append(case.enter(author, "act", {}, case=name, seq=9, prev="e" * 64))
        elif fault == "fork":
            raws.append(case.enter(author, "act", {"n": len(raws)}, case=name, seq=1, prev=""))
        elif fault == "loose":
            raws.append(case.enter(author, "say", {}, case=name, refs=[STRICT]))
        else:
            raw = case.enter(author, "act", {"n": len(raws)}, case=name)
            raws.append(_spoilt(raw) if fault == "bad signature" else raw)
    expected = _one_by_one(raws, ring)
    for found in (_at_once(raws, ring), _at_once(raws, ring, lambda all: [False] * len(all))):
        assert [_said(one) for one in found] == [_said(one) for one in expected]


def _said(one: Verified | TocsinError) -> tuple[str, str]:
    return (type(one).__name__, one.id if isinstance(one, Verified) else one.message)


def test_signatures_are_verified_together_once_each_and_none_without_need() -> None:
    case = Case()
    ring = _ring(case)
    good = [case.enter(NORTH, "act", {"n": n}) for n in range(5)]
    gap = case.enter(EAST, "act", {}, seq=9, prev="e" * 64)
    asked: list[int] = []

    def verifier(signed: Sequence[Signed]) -> list[bool]:
        asked.append(len(signed))
        return verify_all(signed)

    found = _at_once([*good, gap], ring, verifier)
    assert [isinstance(one, Verified) for one in found] == [True] * 5 + [False]
    assert asked == [5]
    assert _at_once([], ring, verifier) == []
    assert asked == [5]


def test_a_marking_is_looked_up_under_a_good_signature_only() -> None:
    case = Case()
    ring = _ring(case)
    raw = case.enter(NORTH, "say", {}, refs=[STRICT])
    [loose] = _at_once([raw], ring)
    [forged] = _at_once([_spoilt(raw)], ring)
    assert isinstance(loose, MarkingError)
    assert isinstance(forged, SignatureError)
