"""No byte of a dossier is unverifiable: whatever changes is refused, and refused politely."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.long_runs import EVERY, slice_of
from tests.unit.record.dossier_case import (
    CASE,
    EAST,
    NORTH,
    ORIGIN,
    POLICY,
    QUORUM,
    Case,
    usual,
)

from tocsin.canonical import b64encode, decode, encode
from tocsin.errors import CanonicalError, DossierError
from tocsin.record import members as form
from tocsin.record.checkpoint import VerifierKey, open_note, verify_note
from tocsin.record.directory import open_root
from tocsin.record.dossier import open_dossier, verify
from tocsin.record.statement import Seen


def _small(vkeys: bool | int = True) -> tuple[Case, bytes]:
    """A case with a withheld id, an object, an answer that has seen a cosigned checkpoint.

    Two witnesses cosigned both its newest checkpoint and an older one.
    """

    def note(time: int) -> bytes:
        return case.note(None, {"gridco.example": time, "portco.example": time + 60})

    case = Case(vkeys=vkeys)
    case.enter(NORTH, "act", {"event": "case.open", "item": CASE})
    head, older = case.head(), note(1_795_334_000)
    case.say(EAST, 1)
    case.say(NORTH, 2, tlp="AMBER", to=[EAST])
    seen = [Seen(origin=head.origin, root=b64encode(head.root), size=head.size)]
    case.enter(NORTH, "act", {"event": "case.close", "item": CASE}, seen=seen)
    return case, case.dossier(withhold=[5], older=[older], note=note(1_795_335_000))


SMALL, DATA = _small()
TINY_CASE, TINY = _small(vkeys=1)
"""The same without ML-DSA-44, whose keys and signatures are most of the bytes."""


def _ok(data: bytes, case: Case = SMALL) -> bool:
    """Whether it verifies. A DossierError is a refusal too; anything else is a fault of ours."""
    try:
        return verify([data], QUORUM, case.root).ok
    except DossierError:
        return False


def _opens(data: bytes) -> bool:
    """Whether its form is good: what `verify` asks first, and lists all the same."""
    with suppress(DossierError):
        open_dossier(data)
        return True
    return False


def _flipped(data: bytes, offset: int, bit: int) -> bytes:
    bent = bytearray(data)
    bent[offset] ^= 1 << bit
    return bytes(bent)


def _reframed(members: dict[str, bytes]) -> bytes:
    """Members in a frame, and under an index, that fit them: what a careful forger would write."""
    members = dict(members)
    if "INDEX.json" in members:
        with suppress(CanonicalError, TypeError, KeyError):
            said = decode(members["INDEX.json"])
            said["members"] = {
                name: hashlib.sha256(content).hexdigest()
                for name, content in members.items()
                if name != "INDEX.json"
            }
            members["INDEX.json"] = encode(said)
    return b"".join(form._frame(members))


def _forged(data: bytes, every: int = 1) -> Iterator[tuple[str, bytes]]:
    """Every byte of every member changed, behind a frame and an index that fit."""
    members = form._members(data)
    for name, content in members.items():
        for offset in range(0, len(content), every):
            bent = _flipped(content, offset, (offset * 5) % 8)
            if name.startswith("objects/"):
                digest = hashlib.sha256(bent).hexdigest()
                changed = {k: v for k, v in members.items() if k != name}
                yield f"{name}:{offset}", _reframed({**changed, f"objects/{digest}": bent})
            again = {**members, name: bent}
            whole = b"".join(form._frame(again)) if name == "INDEX.json" else _reframed(again)
            yield f"{name}:{offset}", whole


def test_the_dossiers_that_are_bent_below_are_good_and_hold_something_of_everything() -> None:
    for data, case in ((DATA, SMALL), (TINY, TINY_CASE)):
        assert _ok(data, case)
        assert _reframed(form._members(data)) == data
        verdict = verify([data], QUORUM, case.root)
        assert [one.kind for one in verdict.statements].count(None) == 1
        assert verdict.statements[-1].not_before == "2026-11-22T07:54:20Z"
        assert verdict.statements[-1].not_after == "2026-11-22T08:11:00Z"
        assert all(form._members(data).values())
    assert [line.kind for line in _lines_of(DATA)] == [1, 6, 4, 4]
    assert [line.kind for line in _lines_of(TINY)] == [1, 4, 4]


def _lines_of(data: bytes) -> list[VerifierKey]:
    dossier = open_dossier(data)
    known = form.checkpoint_keys(open_root(dossier.root), ORIGIN)
    lines = verify_note(open_note(dossier.checkpoints[0]), known)
    return [line.key for line in lines]


def test_no_bit_of_a_dossier_can_change_its_form() -> None:
    for offset in range(len(DATA)):
        for bit in (offset % 8, (offset + 4) % 8):
            assert not _opens(_flipped(DATA, offset, bit)), f"byte {offset}, bit {bit}"


def test_what_does_not_even_open_does_not_verify() -> None:
    for offset in range(0, len(DATA), 97):
        assert not _ok(_flipped(DATA, offset, offset % 8)), offset
    for place, data in _forged(DATA, 97):
        assert not _ok(data), place


def test_no_changed_byte_at_all_verifies_behind_a_frame_and_index_that_fit() -> None:
    for place, data in _forged(TINY):
        assert not _opens(data) or not _ok(data, TINY_CASE), place


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_no_changed_byte_at_all_verifies_either_way() -> None:
    for offset in slice_of(range(len(DATA))):
        assert not _ok(_flipped(DATA, offset, (offset * 3) % 8)), offset
    for place, data in _forged(DATA, EVERY):
        assert not _ok(data), place


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", sorted(form._members(TINY)))
def test_no_changed_bit_at_all_verifies_behind_a_frame_and_index_that_fit(name: str) -> None:
    members = form._members(TINY)
    content = members[name]
    for offset in slice_of(range(len(content))):
        for bit in range(8):
            changed = {**members, name: _flipped(content, offset, bit)}
            fits = b"".join(form._frame(changed)) if name == "INDEX.json" else _reframed(changed)
            assert not _opens(fits) or not _ok(fits, TINY_CASE), (offset, bit)


def test_a_dossier_cut_short_anywhere_is_refused() -> None:
    for length in range(len(TINY)):
        assert not _opens(TINY[:length]), length
        assert not _opens(TINY[length:] if length else b""), length
    for length in range(0, len(DATA), 97):
        assert not _ok(DATA[:length]), length
        assert not _ok(DATA[length:] if length else b""), length


def test_a_member_dropped_doubled_moved_or_swapped_is_refused() -> None:
    members = form._members(DATA)
    for name in members:
        rest = {other: content for other, content in members.items() if other != name}
        assert not _ok(_reframed(rest)) or name.startswith("objects/"), name
        # Without touching the index, also an object's absence shows.
        assert not _ok(b"".join(form._frame(rest))), name
        assert not _ok(_reframed({**rest, name + "2": members[name]})), name
        assert not _ok(_reframed({**members, "x" + name: members[name]})), name
        for other in rest:
            swapped = {**members, name: members[other], other: members[name]}
            assert not _ok(_reframed(swapped)) or members[name] == members[other], (name, other)


def test_a_member_listed_twice_or_out_of_order_is_refused() -> None:
    members = form._members(DATA)
    pieces = list(form._frame(members))
    for number in range(0, 2 * len(members), 2):
        one = pieces[number : number + 2]
        doubled = [*pieces[:number], *one, *pieces[number:]]
        assert not _ok(b"".join(doubled))
        moved = [*pieces[:number], *pieces[number + 2 : -2], *one, *pieces[-2:]]
        assert b"".join(moved) == DATA or not _ok(b"".join(moved))


def test_a_line_dropped_doubled_or_moved_is_refused() -> None:
    members = form._members(DATA)
    for name in ("directory.jsonl", "statements.jsonl", "proofs.jsonl", "logs/0/history.jsonl"):
        rows = members[name].splitlines(keepends=True)
        for number, row in enumerate(rows):
            rest = [*rows[:number], *rows[number + 1 :]]
            for changed in ([*rows, row], [row, *rows], [*rest, row], [row, *rest]):
                if changed != rows:
                    data = _reframed({**members, name: b"".join(changed)})
                    assert not _ok(data), (name, number)
            # An older checkpoint need not be shown; everything else is missed.
            gone = _reframed({**members, name: b"".join(rest)})
            assert not _ok(gone) or name == "logs/0/history.jsonl", (name, number)


def test_lines_swapped_within_a_member_or_between_two_are_refused() -> None:
    members = form._members(TINY)
    rows = [
        (name, number)
        for name, content in members.items()
        if name.endswith(".jsonl")
        for number in range(content.count(b"\n"))
    ]
    for first, second in combinations(rows, 2):
        lines = {n: c.splitlines(keepends=True) for n, c in members.items() if n.endswith(".jsonl")}
        one, two = lines[first[0]][first[1]], lines[second[0]][second[1]]
        lines[first[0]][first[1]], lines[second[0]][second[1]] = two, one
        changed = {**members, **{name: b"".join(parts) for name, parts in lines.items()}}
        assert not _ok(_reframed(changed), TINY_CASE), (first, second)


@given(st.data())
def test_any_bytes_put_anywhere_are_refused(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(DATA)))
    end = data.draw(st.integers(start, min(len(DATA), start + 40)))
    bent = DATA[:start] + data.draw(st.binary(max_size=40)) + DATA[end:]
    assert bent == DATA or not _ok(bent)


@given(st.data())
def test_any_bytes_as_any_member_are_judged_never_worse(data: st.DataObject) -> None:
    members = form._members(DATA)
    name = data.draw(st.sampled_from(sorted(members)))
    content = data.draw(
        st.binary(max_size=60)
        | st.sampled_from([b"[]\n", b"{}\n", b"null\n", b'"x"\n', b"1\n", b"\n\n\n", b"[" * 9000])
    )
    bent = {**members, name: content}
    # An older checkpoint need not be shown; whoever leaves it out has made an honest dossier.
    honest = bent == members or (name, content) == ("logs/0/history.jsonl", b"")
    assert honest or not _ok(_reframed(bent))
    assert bent == members or not _ok(b"".join(form._frame(bent)))


@given(st.binary(max_size=200))
def test_any_bytes_are_opened_or_refused_never_worse(data: bytes) -> None:
    assert not _ok(data)
    assert not _ok(b"PK\x03\x04" + data + b"PK\x05\x06" + data[:18])


@given(st.sets(st.integers(3, 7)))
def test_whatever_is_withheld_the_rest_verifies_and_nothing_is_missing(hidden: set[int]) -> None:
    case = usual()
    verdict = verify([case.dossier(withhold=sorted(hidden))], POLICY, case.root)
    assert verdict.ok
    assert sum(one.kind is None for one in verdict.statements) == len(hidden)
    full = verify([case.dossier(), case.dossier(withhold=sorted(hidden))], POLICY, case.root)
    assert full.ok
    assert all(one.kind for one in full.statements)
