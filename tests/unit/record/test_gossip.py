"""What follows when two views of one log meet."""

from __future__ import annotations

import msgspec
import pytest
from tests.unit.record.log_case import GrowingLog

from tocsin.canonical import b64encode
from tocsin.errors import ForkError, NoteError
from tocsin.record import checkpoint as notes
from tocsin.record import gossip
from tocsin.record.fork import verify_fork
from tocsin.record.gossip import (
    Consistent,
    Fork,
    Head,
    NeedsPath,
    Question,
    Unexplained,
    compare,
    compare_own,
    head_of,
    meet,
    resolve,
    unanswered,
)
from tocsin.record.keys import LogSigner
from tocsin.record.statement import Seen

NORTH = LogSigner.from_seeds("cert.northland.example/log", b"\x01" * 32, b"\x02" * 32)
SOUTH = LogSigner.from_seeds("cert.southmark.example/log", b"\x03" * 32, b"\x04" * 32)
TRUE = GrowingLog(NORTH, both=False).grow(20)
OTHER = TRUE.copy(3).grow(17, "other")
KEYS = TRUE.keys


def signed(log: GrowingLog, size: int) -> Head:
    return head_of(log.note(size), KEYS, "gridco.example")


def word(log: GrowingLog, size: int) -> Head:
    seen = Seen(origin=log.origin, root=b64encode(log.root(size)), size=size)
    return gossip.said(seen, "portco.example")


def proven(verdict: object) -> tuple[notes.Checkpoint, notes.Checkpoint]:
    assert isinstance(verdict, Fork)
    assert verdict.origin == NORTH.name
    return verify_fork(verdict.proof, KEYS)


# --- heads ------------------------------------------------------------------------------------


def test_a_head_is_read_from_a_note_that_its_own_log_has_signed() -> None:
    head = signed(TRUE, 5)
    assert (head.origin, head.size, head.root) == (NORTH.name, 5, TRUE.root(5))
    assert (head.note, head.source) == (TRUE.note(5), "gridco.example")
    south = GrowingLog(SOUTH, both=False).grow(5)
    with pytest.raises(NoteError):
        head_of(south.note(), KEYS)
    forged = notes.write_note(TRUE.head(5).text, notes.open_note(south.note()).lines)
    with pytest.raises(NoteError):
        head_of(forged, [*KEYS, *south.keys])


def test_what_a_party_says_carries_no_note() -> None:
    head = word(TRUE, 5)
    assert (head.size, head.root, head.note) == (5, TRUE.root(5), None)
    assert head.source == "portco.example"


# --- two heads --------------------------------------------------------------------------------


def test_the_same_root_at_the_same_size_is_one_history() -> None:
    for a in (signed(TRUE, 5), word(TRUE, 5)):
        for b in (signed(TRUE, 5), word(TRUE, 5)):
            assert compare(a, b) == Consistent(origin=NORTH.name)
    assert compare(signed(TRUE, 3), signed(OTHER, 3)) == Consistent(origin=NORTH.name)


def test_two_signed_roots_of_one_size_are_a_fork() -> None:
    assert proven(compare(signed(TRUE, 5), signed(OTHER, 5))) == (TRUE.head(5), OTHER.head(5))


def test_another_root_without_a_signed_note_is_unexplained_and_names_who_said_it() -> None:
    for a, b in ((signed(TRUE, 5), word(OTHER, 5)), (word(OTHER, 5), signed(TRUE, 5))):
        verdict = compare(a, b)
        assert isinstance(verdict, Unexplained)
        assert (verdict.a, verdict.b, verdict.origin) == (a, b, NORTH.name)
        assert "portco.example" in verdict.why
    verdict = compare(signed(TRUE, 5), msgspec.structs.replace(word(OTHER, 5), source=""))
    assert isinstance(verdict, Unexplained)
    assert "somebody" in verdict.why


def test_other_sizes_need_the_path_from_the_smaller_to_the_larger() -> None:
    small, large = signed(TRUE, 5), signed(OTHER, 9)
    assert compare(small, large) == compare(large, small) == NeedsPath(old=small, new=large)
    assert NeedsPath(old=small, new=large).origin == NORTH.name


def test_two_logs_are_not_compared() -> None:
    south = head_of(GrowingLog(SOUTH, both=False).grow(5).note(), GrowingLog(SOUTH).keys)
    with pytest.raises(ForkError, match="cannot contradict"):
        compare(signed(TRUE, 5), south)


def test_every_tree_appends_to_the_empty_one_and_it_has_one_root() -> None:
    empty = head_of(TRUE.note(0), KEYS)
    assert compare(empty, signed(OTHER, 5)) == Consistent(origin=NORTH.name)
    assert compare(signed(OTHER, 5), empty) == Consistent(origin=NORTH.name)
    wrong = head_of(TRUE.sign(notes.Checkpoint(origin=NORTH.name, size=0, root=bytes(32))), KEYS)
    for other in (empty, signed(TRUE, 5)):
        assert isinstance(compare(other, wrong), Unexplained)
        assert isinstance(compare(wrong, other), Unexplained)


# --- all that is held -------------------------------------------------------------------------


def test_a_head_of_a_log_of_which_nothing_is_held_says_nothing() -> None:
    south = head_of(GrowingLog(SOUTH, both=False).grow(5).note(), GrowingLog(SOUTH).keys)
    assert meet([], signed(TRUE, 5)) is None
    assert meet([south], signed(TRUE, 5)) is None


def test_what_is_met_is_compared_where_the_path_is_shortest() -> None:
    held = [signed(TRUE, 5), signed(TRUE, 12), signed(TRUE, 8)]
    assert proven(meet(held, signed(OTHER, 8)))[0].size == 8
    assert meet(held, signed(TRUE, 12)) == Consistent(origin=NORTH.name)
    needed = meet(held, signed(OTHER, 7))
    assert needed == NeedsPath(old=signed(OTHER, 7), new=held[2])
    assert meet(held, signed(OTHER, 4)) == NeedsPath(old=signed(OTHER, 4), new=held[0])
    assert meet(held, signed(OTHER, 15)) == NeedsPath(old=held[1], new=signed(OTHER, 15))


# --- the path ---------------------------------------------------------------------------------


def test_a_path_makes_one_history_or_a_fork_of_two_signed_heads() -> None:
    for m in range(1, 12):
        for n in range(m + 1, 14):
            need = NeedsPath(old=signed(TRUE, m), new=signed(TRUE, n))
            assert resolve(need, TRUE.fork_path(m, n)) == Consistent(origin=NORTH.name)
            need = NeedsPath(old=signed(TRUE, m), new=signed(OTHER, n))
            verdict = resolve(need, OTHER.fork_path(m, n))
            if m <= 3:
                assert verdict == Consistent(origin=NORTH.name)
            else:
                assert proven(verdict) == (TRUE.head(m), OTHER.head(n))


def test_a_path_that_contradicts_somebodys_word_leaves_it_unexplained() -> None:
    for old, new, path in (
        (word(OTHER, 5), signed(TRUE, 9), TRUE.fork_path(5, 9)),
        (signed(TRUE, 5), word(OTHER, 9), OTHER.fork_path(5, 9)),
    ):
        verdict = resolve(NeedsPath(old=old, new=new), path)
        assert isinstance(verdict, Unexplained)
        assert "portco.example" in verdict.why
    need = NeedsPath(old=word(TRUE, 5), new=signed(TRUE, 9))
    assert resolve(need, TRUE.fork_path(5, 9)) == Consistent(origin=NORTH.name)


def test_a_path_that_leads_elsewhere_or_is_none_explains_nothing() -> None:
    need = NeedsPath(old=signed(TRUE, 5), new=signed(OTHER, 9))
    good = OTHER.fork_path(5, 9)
    for path in (
        TRUE.fork_path(5, 9),
        good[:-1],
        [*good, bytes(32)],
        [],
        [b"short"],
        [bytes(32)] * 63,
        None,
    ):
        assert isinstance(resolve(need, path), Unexplained)


# --- our own log ------------------------------------------------------------------------------


def root_at(size: int) -> bytes:
    assert 1 <= size <= 12
    return TRUE.root(size)


def own(met: Head) -> gossip.Verdict:
    return compare_own(signed(TRUE, 12), root_at, met)


def test_our_own_root_at_any_size_is_known_without_asking() -> None:
    for size in range(13):
        assert own(word(TRUE, size)) == Consistent(origin=NORTH.name)
        assert own(signed(TRUE, size)) == Consistent(origin=NORTH.name)


def test_somebodys_word_of_a_root_we_never_had_is_unexplained() -> None:
    for size in (4, 5, 11, 12):
        assert isinstance(own(word(OTHER, size)), Unexplained)


def test_a_root_we_never_had_under_our_own_signature_is_a_fork_that_our_tiles_prove() -> None:
    proven(own(signed(OTHER, 12)))
    for size in (4, 5, 8, 11):
        need = own(signed(OTHER, size))
        assert need == NeedsPath(old=signed(OTHER, size), new=signed(TRUE, 12))
        assert isinstance(need, NeedsPath)
        proven(resolve(need, TRUE.fork_path(size, 12)))


def test_a_log_that_others_know_better_than_its_node_is_unexplained() -> None:
    for met in (signed(TRUE, 13), word(TRUE, 13)):
        verdict = own(met)
        assert isinstance(verdict, Unexplained)
        assert "size 13" in verdict.why


# --- no answer --------------------------------------------------------------------------------


def test_a_log_that_is_cut_off_is_never_suspected_for_it() -> None:
    question = Question(need=NeedsPath(old=signed(TRUE, 5), new=signed(OTHER, 9)))
    for _ in range(100):
        again = unanswered(question, alive=False)
        assert again == question
        question = again


def test_a_log_that_answers_everything_else_is_unexplained_after_two_rounds() -> None:
    question = Question(need=NeedsPath(old=signed(TRUE, 5), new=signed(OTHER, 9)))
    first = unanswered(question, alive=True)
    assert isinstance(first, Question)
    assert first.silent == 1
    pause = unanswered(first, alive=False)
    assert isinstance(pause, Question)
    verdict = unanswered(pause, alive=True)
    assert isinstance(verdict, Unexplained)
    assert (verdict.a, verdict.b) == (question.need.old, question.need.new)
