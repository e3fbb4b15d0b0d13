"""No byte of a dossier is unverifiable: whatever changes is refused, and refused politely."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.record.dossier_case import (
    CASE,
    EAST,
    NORTH,
    POLICY,
    Case,
    usual,
)

from tocsin.canonical import decode, encode
from tocsin.errors import CanonicalError, DossierError
from tocsin.record import members as form
from tocsin.record.dossier import open_dossier, verify


def _small() -> tuple[Case, bytes]:
    case = Case()
    case.enter(NORTH, "act", {"event": "case.open", "item": CASE})
    case.say(EAST, 1)
    case.say(NORTH, 2, tlp="AMBER", to=[EAST])
    case.enter(NORTH, "act", {"event": "case.close", "item": CASE})
    return case, case.dossier(withhold=[5], older=[case.note(4)])


SMALL, DATA = _small()


def _ok(data: bytes) -> bool:
    """Whether it verifies. A DossierError is a refusal too; anything else is a fault of ours."""
    try:
        return verify([data], POLICY, SMALL.root).ok
    except DossierError:
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


def _forged() -> Iterator[tuple[str, bytes]]:
    """Every byte of every member changed, behind a frame and an index that fit."""
    members = form._members(DATA)
    for name, content in members.items():
        for offset in range(len(content)):
            bent = _flipped(content, offset, (offset * 5) % 8)
            if name.startswith("objects/"):
                digest = hashlib.sha256(bent).hexdigest()
                changed = {k: v for k, v in members.items() if k != name}
                yield f"{name}:{offset}", _reframed({**changed, f"objects/{digest}": bent})
            again = {**members, name: bent}
            whole = b"".join(form._frame(again)) if name == "INDEX.json" else _reframed(again)
            yield f"{name}:{offset}", whole


def test_the_dossier_that_is_bent_below_is_good() -> None:
    assert _ok(DATA)
    assert _reframed(form._members(DATA)) == DATA


def test_no_bit_of_a_dossier_can_change_its_form() -> None:
    for offset in range(len(DATA)):
        for bit in (offset % 8, (offset + 4) % 8):
            with suppress(DossierError):
                open_dossier(_flipped(DATA, offset, bit))
                pytest.fail(f"byte {offset}, bit {bit}")


def test_no_changed_byte_verifies() -> None:
    for offset in range(0, len(DATA), 17):
        assert not _ok(_flipped(DATA, offset, offset % 8)), offset


def test_no_changed_byte_verifies_behind_a_frame_and_index_that_fit() -> None:
    for number, (place, data) in enumerate(_forged()):
        if number % 17 == 4:
            assert not _ok(data), place


@pytest.mark.long
def test_no_changed_byte_at_all_verifies_either_way() -> None:
    for offset in range(len(DATA)):
        assert not _ok(_flipped(DATA, offset, (offset * 3) % 8)), offset
    for place, data in _forged():
        assert not _ok(data), place


def test_a_dossier_cut_short_anywhere_is_refused() -> None:
    for length in range(0, len(DATA), 11):
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
