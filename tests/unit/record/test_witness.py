"""The witness: requests to the letter of C2SP tlog-witness, one history for each log, no race."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.unit.record.log_case import TIME, GrowingLog, MemoryState

from tocsin.canonical import b64encode
from tocsin.errors import ConflictError, NoteError, StoreError, WitnessRefused
from tocsin.record import checkpoint as notes
from tocsin.record import witness
from tocsin.record.fork import verify_fork
from tocsin.record.keys import LogSigner, WitnessSigner
from tocsin.record.witness import (
    EMPTY_ROOT,
    AddCheckpoint,
    Conflict,
    Held,
    Witness,
    open_answer,
    open_request,
    open_size,
    write_request,
)

VECTORS = Path(__file__).parents[2] / "vectors" / "record" / "witness"
NORTH = LogSigner.from_seeds("cert.northland.example/log", b"\x01" * 32, b"\x02" * 32)
SOUTH = LogSigner.from_seeds("cert.southmark.example/log", b"\x03" * 32, b"\x04" * 32)
SIGNER = WitnessSigner.from_seeds("gridco.example/witness", b"\x05" * 32, b"\x06" * 32)
KEYS = [notes.open_vkey(text) for text in SIGNER.vkeys()]


class Bench:
    """A witness of one or more logs, with a clock to set and everything it was told kept."""

    def __init__(
        self,
        *logs: GrowingLog,
        state: MemoryState | None = None,
        conflicts: list[Conflict] | None = None,
    ) -> None:
        self.logs = {log.origin: log.keys for log in logs}
        self.state = state or MemoryState()
        self.now = datetime.fromtimestamp(TIME, UTC)
        self.stopped: set[str] = set()
        self.conflicts = [] if conflicts is None else conflicts
        self.witness = Witness(
            SIGNER,
            self.state,
            lambda origin: self.logs.get(origin, []),
            lambda: self.now,
            lambda origin: origin in self.stopped,
            self.conflicts.append,
            origins=lambda: self.logs,
        )

    def ask(self, log: GrowingLog, old: int, new: int | None = None) -> bytes:
        new = log.size if new is None else new
        path = log.path(old, new) if old <= new else []
        return self.witness.add_checkpoint(write_request(old, path, log.note(new)))

    def refusal(self, data: bytes) -> WitnessRefused:
        before = dict(self.state.held)
        with pytest.raises(WitnessRefused) as caught:
            self.witness.add_checkpoint(data)
        assert self.state.held == before
        return caught.value


def north(size: int = 5) -> GrowingLog:
    return GrowingLog(NORTH).grow(size)


def times(note: bytes, answer: bytes) -> list[int | None]:
    text = notes.open_note(note).text
    signed = notes.open_note(text.encode() + b"\n" + answer)
    return [line.time for line in notes.verify_note(signed, KEYS)]


# --- what it answers --------------------------------------------------------------------------


def test_the_first_checkpoint_of_a_log_is_cosigned_with_both_keys() -> None:
    log = north()
    bench = Bench(log)
    answer = bench.ask(log, 0)
    assert answer.decode().count("\n") == 2
    lines = open_answer(log.note(), answer, KEYS)
    assert [line.keyid for line in lines] == [key.keyid for key in KEYS]
    assert [key.kind for key in KEYS] == [notes.COSIGNATURE, notes.ML_DSA_44]
    assert times(log.note(), answer) == [TIME, TIME]


def test_what_is_cosigned_is_held_before_the_answer() -> None:
    log = north()
    bench = Bench(log)
    answer = bench.ask(log, 0)
    held = bench.state.held[log.origin]
    assert (held.size, held.root, held.time) == (5, log.root(), TIME)
    assert held.note == log.note() + answer


def test_a_witness_that_cannot_keep_it_does_not_cosign() -> None:
    class FullDisk(MemoryState):
        def advance(self, new: Held, expected: Held | None) -> None:
            raise StoreError("no space left", remedy="make room")

    log = north()
    bench = Bench(log, state=FullDisk())
    with pytest.raises(StoreError):
        bench.ask(log, 0)


def test_a_log_that_grows_is_cosigned_again_and_again() -> None:
    log = north(1)
    bench = Bench(log)
    bench.ask(log, 0)
    for step in (1, 1, 2, 3, 7, 64, 200):
        old = log.size
        log.grow(step)
        open_answer(log.note(), bench.ask(log, old), KEYS)
    assert bench.state.held[log.origin].size == 279
    assert bench.conflicts == []


def test_the_same_checkpoint_is_cosigned_again_with_a_newer_time() -> None:
    log = north()
    bench = Bench(log)
    bench.ask(log, 0)
    bench.now += timedelta(hours=1)
    assert times(log.note(), bench.ask(log, 5)) == [TIME + 3600] * 2
    assert bench.state.held[log.origin].time == TIME + 3600


def test_the_time_of_a_log_never_goes_back_though_the_clock_does() -> None:
    log = north()
    bench = Bench(log)
    bench.ask(log, 0)
    bench.now -= timedelta(days=1)
    log.grow(3)
    assert times(log.note(), bench.ask(log, 5)) == [TIME, TIME]
    other = GrowingLog(SOUTH).grow(2)
    bench.logs[other.origin] = other.keys
    assert times(other.note(), bench.ask(other, 0)) == [TIME - 86400] * 2


def test_lines_of_others_are_neither_checked_nor_kept() -> None:
    log = north()
    bench = Bench(log)
    stranger = notes.NoteLine(name="somebody.example", keyid=b"abcd", blob=b"junk")
    earlier = notes.NoteLine(name=SIGNER.name, keyid=KEYS[0].keyid, blob=b"not ours at all")
    note = notes.add_lines(log.note(), [stranger, earlier])
    answer = bench.witness.add_checkpoint(write_request(0, [], note))
    assert bench.state.held[log.origin].note == log.note() + answer


def test_one_line_of_the_log_is_enough_and_a_repeated_one_is_kept_once() -> None:
    log = GrowingLog(NORTH, both=False).grow(5)
    bench = Bench(log)
    note = notes.open_note(log.note())
    answer = bench.witness.add_checkpoint(
        write_request(0, [], notes.write_note(note.text, list(note.lines) * 32))
    )
    assert bench.state.held[log.origin].note == log.note() + answer


# --- what it refuses --------------------------------------------------------------------------


def test_an_unknown_log_is_not_cosigned() -> None:
    log = north()
    bench = Bench(GrowingLog(SOUTH))
    assert bench.refusal(write_request(0, [], log.note())).status == "unknown-origin"


def test_a_key_counts_only_under_the_name_of_its_log_and_as_a_logs() -> None:
    log = north()
    bench = Bench(log)
    bench.logs[log.origin] = [
        *(notes.open_vkey(text) for text in SOUTH.vkeys()),
        notes.VerifierKey(name=log.origin, kind=notes.COSIGNATURE, public=NORTH.public),
    ]
    assert bench.refusal(write_request(0, [], log.note())).status == "unknown-origin"


def test_a_note_without_a_good_line_of_its_log_is_refused() -> None:
    log = north()
    bench = Bench(log)
    ed, ml = notes.open_note(log.note()).lines
    stranger = notes.NoteLine(name="somebody.example", keyid=b"abcd", blob=b"junk")
    bent = notes.NoteLine(name=ed.name, keyid=ed.keyid, blob=bytes(64))
    for lines in ([stranger], [bent], [ml, bent]):
        note = notes.write_note(log.head().text, lines)
        assert bench.refusal(write_request(0, [], note)).status == "signature"
    assert bench.conflicts == []


def test_an_old_size_over_the_new_one_is_wrong_use() -> None:
    log = north()
    bench = Bench(log)
    bench.ask(log, 0)
    assert bench.refusal(write_request(6, [], log.note())).status == "old-size"


def test_another_old_size_than_held_is_answered_with_the_size_held() -> None:
    log = north(9)
    bench = Bench(log)
    found = bench.refusal(write_request(4, log.path(4), log.note()))
    assert (found.status, found.size) == ("conflict", 0)
    bench.ask(log, 0, 5)
    for old, new in ((0, 9), (4, 9), (6, 9), (3, 4), (0, 5)):
        found = bench.refusal(write_request(old, log.path(old, new), log.note(new)))
        assert (found.status, found.size) == ("conflict", 5)
        assert witness.size_body(found.size or 0) == b"5\n"
    assert bench.conflicts == []


@pytest.mark.parametrize("old", [1, 2, 3, 4, 5, 6, 7, 8])
def test_a_proof_that_does_not_verify_is_refused(old: int) -> None:
    log = north(9)
    bench = Bench(log)
    bench.ask(log, 0, old)
    good = log.path(old)
    wrong: list[Sequence[bytes]] = [
        good[:-1],
        [*good, good[-1]],
        [*good[:-1], bytes(32)],
        [bytes(32), *good[1:]],
        [],
        [bytes(32)] * 63,
    ]
    for path in wrong:
        assert bench.refusal(write_request(old, path, log.note())).status == "inconsistent"
    assert [conflict.why for conflict in bench.conflicts] == ["proof"] * len(wrong)
    bench.ask(log, old)


def test_a_proof_between_equal_sizes_or_from_nothing_is_refused() -> None:
    log = north()
    bench = Bench(log)
    assert bench.refusal(write_request(0, log.path(3), log.note())).status == "inconsistent"
    bench.ask(log, 0)
    assert bench.refusal(write_request(5, [bytes(32)], log.note())).status == "inconsistent"
    assert bench.conflicts == []


def test_two_roots_of_one_size_are_refused_and_are_a_proven_fork() -> None:
    log = north()
    other = log.copy(3).grow(2, "other")
    bench = Bench(log)
    bench.ask(log, 0)
    assert bench.refusal(write_request(5, [], other.note())).status == "inconsistent"
    [conflict] = bench.conflicts
    assert (conflict.why, conflict.old_size, conflict.proof) == ("root", 5, ())
    assert conflict.note == other.note()
    assert conflict.held == bench.state.held[log.origin]
    assert conflict.fork is not None
    verify_fork(conflict.fork, log.keys)


def test_two_roots_of_one_size_are_evidence_whatever_old_size_is_said() -> None:
    log = north()
    other = log.copy(3).grow(2, "other")
    bench = Bench(log)
    bench.ask(log, 0)
    assert bench.refusal(write_request(3, other.path(3), other.note())).status == "conflict"
    [conflict] = bench.conflicts
    assert (conflict.why, conflict.proof) == ("root", tuple(other.path(3)))
    assert conflict.fork is not None


def test_a_history_rewritten_behind_the_witness_is_proven_by_its_own_proof() -> None:
    log = north(6)
    other = log.copy(3).grow(9, "other")
    bench = Bench(log)
    bench.ask(log, 0)
    data = write_request(6, other.path(6), other.note())
    assert bench.refusal(data).status == "inconsistent"
    [conflict] = bench.conflicts
    assert conflict.why == "proof"
    assert conflict.fork is not None
    a, b = verify_fork(conflict.fork, log.keys)
    assert (a, b) == (log.head(), other.head())


def test_a_failing_proof_of_an_honest_log_proves_nothing_against_it() -> None:
    log = north(6)
    bench = Bench(log)
    bench.ask(log, 0, 5)
    bench.refusal(write_request(5, [bytes(32)] * 4, log.note()))
    assert bench.conflicts[0].fork is None


def test_evidence_holds_no_line_that_the_log_did_not_sign() -> None:
    log = north()
    other = log.copy(3).grow(2, "other")
    bench = Bench(log)
    bench.ask(log, 0)
    stranger = notes.NoteLine(name="somebody.example", keyid=b"abcd", blob=b"junk")
    bench.refusal(write_request(5, [], notes.add_lines(other.note(), [stranger])))
    assert bench.conflicts[0].note == other.note()


def test_evidence_that_cannot_be_kept_is_no_silent_refusal() -> None:
    class Full(list[Conflict]):
        def append(self, conflict: Conflict) -> None:
            raise StoreError("no space left", remedy="make room")

    log = north()
    bench = Bench(log, conflicts=Full())
    bench.ask(log, 0)
    with pytest.raises(StoreError):
        bench.witness.add_checkpoint(write_request(5, [], log.copy(3).grow(2, "other").note()))


def test_a_log_with_a_known_fork_is_cosigned_no_more_and_still_shown() -> None:
    log = north()
    bench = Bench(log)
    bench.ask(log, 0)
    bench.stopped.add(log.origin)
    log.grow(1)
    assert bench.refusal(write_request(5, log.path(5), log.note())).status == "inconsistent"
    assert bench.refusal(write_request(5, [], log.note(5))).status == "inconsistent"
    name = hashlib.sha256(log.origin.encode()).hexdigest()
    assert bench.witness.checkpoint(name).startswith(log.note(5))


# --- size 0 -----------------------------------------------------------------------------------


def test_an_empty_log_may_be_cosigned_and_then_begin() -> None:
    log = GrowingLog(NORTH)
    bench = Bench(log)
    bench.ask(log, 0)
    assert bench.state.held[log.origin].size == 0
    bench.ask(log, 0)
    log.grow(3)
    bench.ask(log, 0)
    assert bench.state.held[log.origin].size == 3
    assert bench.refusal(write_request(0, [], log.note(0))).size == 3


def test_size_0_has_the_root_of_the_empty_tree() -> None:
    log = GrowingLog(NORTH)
    bench = Bench(log)
    wrong = log.sign(notes.Checkpoint(origin=log.origin, size=0, root=bytes(32)))
    assert bench.refusal(write_request(0, [], wrong)).status == "inconsistent"
    bench.ask(log, 0)
    assert bench.refusal(write_request(0, [], wrong)).status == "inconsistent"
    assert bench.refusal(write_request(0, [bytes(32)], log.note(0))).status == "inconsistent"
    assert hashlib.sha256().digest() == EMPTY_ROOT
    assert bench.conflicts == []


# --- races ------------------------------------------------------------------------------------


def test_a_request_that_loses_the_race_is_judged_against_the_winner() -> None:
    log = north()
    other = log.copy(3).grow(2, "other")

    class Raced(MemoryState):
        racing = True

        def advance(self, new: Held, expected: Held | None) -> None:
            if self.racing:
                self.racing = False
                bench.ask(other, 0)
            super().advance(new, expected)

    bench = Bench(log, state=Raced())
    with pytest.raises(WitnessRefused) as caught:
        bench.ask(log, 0)
    assert (caught.value.status, caught.value.size) == ("conflict", 5)
    assert [conflict.why for conflict in bench.conflicts] == ["root"]
    assert bench.state.held[log.origin].root == other.root()


def test_a_request_that_loses_the_race_to_the_same_checkpoint_is_answered() -> None:
    log = north()

    class Raced(MemoryState):
        racing = False

        def advance(self, new: Held, expected: Held | None) -> None:
            if self.racing:
                self.racing = False
                bench.ask(log, 5)
            super().advance(new, expected)

    state = Raced()
    bench = Bench(log, state=state)
    bench.ask(log, 0)
    state.racing = True
    open_answer(log.note(), bench.ask(log, 5), KEYS)


def test_a_state_that_always_loses_ends_in_a_refusal() -> None:
    class Busy(MemoryState):
        def advance(self, new: Held, expected: Held | None) -> None:
            raise ConflictError("moved on", remedy="again")

    log = north()
    bench = Bench(log, state=Busy())
    assert bench.refusal(write_request(0, [], log.note())).status == "conflict"


def test_racing_requests_are_never_answered_for_two_roots_of_one_size() -> None:
    log = north(8)
    sides = [log.copy(4).grow(4, f"side {n}") for n in range(8)]
    for _ in range(5):
        bench = Bench(log)
        bench.ask(log, 0, 4)
        answered: list[bytes] = []
        start = threading.Barrier(len(sides))

        def ask(
            side: GrowingLog,
            bench: Bench = bench,
            answered: list[bytes] = answered,
            start: threading.Barrier = start,
        ) -> None:
            start.wait()
            try:
                bench.ask(side, 4)
            except WitnessRefused:
                return
            answered.append(side.root())

        threads = [threading.Thread(target=ask, args=(side,)) for side in sides]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(answered) == 1
        assert bench.state.held[log.origin].root == answered[0]


# --- reading it -------------------------------------------------------------------------------


def test_the_newest_cosigned_checkpoint_is_found_by_the_hash_of_its_origin() -> None:
    log, other = north(), GrowingLog(SOUTH).grow(2)
    bench = Bench(other, log)
    name = hashlib.sha256(log.origin.encode()).hexdigest()
    bench.ask(other, 0)
    for unknown in (name, name.upper(), "", "../../etc/passwd", "é" * 64):
        with pytest.raises(WitnessRefused) as caught:
            bench.witness.checkpoint(unknown)
        assert caught.value.status == "unknown-origin"
    answer = bench.ask(log, 0)
    assert bench.witness.checkpoint(name) == log.note() + answer
    with pytest.raises(WitnessRefused):
        bench.witness.checkpoint(name.upper())


def test_an_answer_is_read_with_the_keys_of_the_witness_asked() -> None:
    log = north()
    bench = Bench(log)
    answer = bench.ask(log, 0)
    stranger = "— somebody.example " + b64encode(b"abcd" + bytes(72)) + "\n"
    assert open_answer(log.note(), stranger.encode() + answer, KEYS) == open_answer(
        log.note(), answer, KEYS
    )
    log.grow(1)
    with pytest.raises(NoteError, match="does not verify"):
        open_answer(log.note(), answer, KEYS)
    with pytest.raises(NoteError, match="no line of a key we know"):
        open_answer(log.note(5), stranger.encode(), KEYS)
    text = notes.open_note(log.note(5)).text.encode()
    for junk in (b"", b"\n", b"\n" + answer, b"more\n\n" + answer, text + b"\n" + answer):
        with pytest.raises(NoteError):
            open_answer(log.note(5), junk, KEYS)


def test_a_cosignature_over_more_than_was_sent_is_none() -> None:
    log = north()
    longer = notes.open_note(log.note()).text + "\nmore\n"
    blob = TIME.to_bytes(8, "big") + SIGNER.sign_ed25519(notes.cosigned_message(TIME, longer))
    line = notes.NoteLine(name=SIGNER.name, keyid=KEYS[0].keyid, blob=blob)
    with pytest.raises(NoteError, match="more than signature lines"):
        open_answer(log.note(), b"more\n\n" + line.text.encode(), KEYS)


def test_a_log_key_makes_no_cosignature() -> None:
    log = north()
    own = log.note().partition(b"\n\n")[2]
    ed = notes.VerifierKey(name=NORTH.name, kind=notes.ED25519, public=NORTH.public)
    with pytest.raises(NoteError, match="no line of a key we know"):
        open_answer(log.note(), own, [ed])


def test_the_size_of_a_refusal_is_read_back() -> None:
    assert open_size(witness.size_body(0)) == 0
    assert open_size(b"20852163\n") == 20852163
    for junk in (
        b"",
        b"5",
        b"55",
        b"05\n",
        b"5\n\n",
        b"-1\n",
        b" 5\n",
        b"\xff\n",
        b"9" * 30 + b"\n",
    ):
        with pytest.raises(NoteError, match="no size"):
            open_size(junk)


# --- the request's form -----------------------------------------------------------------------


def test_a_request_is_read_back_as_it_was_written() -> None:
    log = north(9)
    for old in (0, 1, 3, 8, 9):
        data = write_request(old, log.path(old), log.note())
        wanted = AddCheckpoint(old_size=old, proof=tuple(log.path(old)), note=log.note())
        assert open_request(data) == wanted
    with pytest.raises(WitnessRefused, match="64 lines"):
        write_request(1, [bytes(32)] * 64, log.note())
    with pytest.raises(WitnessRefused, match="no old size line"):
        write_request(-1, [], log.note())
    with pytest.raises(WitnessRefused, match="32 bytes"):
        write_request(1, [b"short"], log.note())


def test_the_largest_request_of_the_specification_is_taken() -> None:
    log = north(9)
    note = notes.open_note(log.note())
    room = notes.MAX_NOTE_BYTES - len(log.note()) - len("— s \n".encode())
    filler = notes.NoteLine(name="s", keyid=b"abcd", blob=bytes(room // 4 * 3 - 4))
    data = write_request(
        2**63 - 1, [b"h" * 32] * 63, notes.write_note(note.text, [*note.lines, filler])
    )
    assert notes.MAX_NOTE_BYTES - 4 < len(data) <= witness.MAX_REQUEST_BYTES
    with pytest.raises(WitnessRefused, match="a request of"):
        open_request(data + b" " * witness.MAX_REQUEST_BYTES)


@pytest.mark.parametrize("path", sorted(VECTORS.glob("*.txt")), ids=lambda path: path.stem)
def test_a_vector_is_answered_as_it_expects(path: Path) -> None:
    head, _, body = path.read_bytes().partition(b"\n\n")
    case = dict(row.split(": ", 1) for row in head.decode().splitlines())
    log = GrowingLog(NORTH, both=False).grow(9)
    bench = Bench(log)
    bench.logs[log.origin] = [notes.open_vkey(case["log"])]
    if case["held"] != "none":
        bench.ask(log, 0, int(case["held"]))
    try:
        bench.witness.add_checkpoint(body)
        found = "ok"
    except WitnessRefused as refused:
        found = refused.status
    assert found == case["expect"], case["why"]
    assert len(bench.conflicts) == int(case.get("evidence", "0"))


def test_there_are_vectors() -> None:
    assert len(list(VECTORS.glob("*.txt"))) >= 30
