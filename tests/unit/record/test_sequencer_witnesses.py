"""The log and its witnesses: answers wait for a quorum, and for nothing that hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from tests.faults.sequencer_disk import (
    CLEAR,
    LOG,
    WITNESSES,
    Disk,
    FakeLog,
    FakeWitnesses,
    start,
    statement,
)

from tocsin.errors import LogHalted, RollbackError
from tocsin.record import checkpoint as cp
from tocsin.record import merkle
from tocsin.record.envelope import leaf
from tocsin.record.sequencer import Receipt, Sequencer


def _started(disk: Disk, witnesses: FakeWitnesses | None, wait_s: float = 2.0) -> Sequencer:
    log = start(disk, witnesses=witnesses, wait_s=wait_s)
    log.recover()
    return log


def _submit(log: Sequencer, number: int) -> Receipt:
    return log.submit(statement(number), [], CLEAR)


@contextmanager
def _running(log: Sequencer) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=log.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(5)
        assert not thread.is_alive()


def _eventually(holds: Callable[[], bool]) -> None:
    for _ in range(400):
        if holds():
            return
        time.sleep(0.01)
    raise AssertionError("it never came to hold")


def _patient(hold: threading.Event) -> None:
    hold.wait(5)


def _names(note: bytes) -> list[str]:
    return [line.name for line in cp.open_note(note).lines]


@pytest.mark.parametrize("threaded", [False, True])
def test_an_answer_comes_with_the_quorum_and_the_published_checkpoint_shows_it(
    threaded: bool,
) -> None:
    disk, witnesses = Disk(), FakeWitnesses()
    log = _started(disk, witnesses)
    assert (log.cosigned, log.seen()) == (None, ())
    assert [(w.name, w.size, w.time) for w in log.witnessed] == [
        (name, 0, None) for name in sorted(WITNESSES)
    ]
    if threaded:
        with _running(log):
            receipt = _submit(log, 0)
    else:
        receipt = _submit(log, 0)
    assert (receipt.index, receipt.quorum) == (0, True)
    assert witnesses.policy.judge(log.checkpoint).quorum
    assert log.checkpoint == log.cosigned == disk.shown[-1] == disk.cosigned[1]
    assert [seen.size for seen in log.seen()] == [1]
    assert [w.size for w in log.witnessed] == [1, 1, 1]
    assert all(w.time for w in log.witnessed)
    assert log.has_quorum(0)
    assert not log.has_quorum(1)


def test_too_few_witnesses_and_the_answer_says_so_at_once() -> None:
    disk, witnesses = Disk(), FakeWitnesses()
    witnesses.away = {"portco.example", "gridco.example"}
    log = _started(disk, witnesses)
    before = time.monotonic()
    receipt = _submit(log, 0)
    assert time.monotonic() - before < 1
    assert not receipt.quorum
    assert _names(log.checkpoint)[2:] == ["westwater.example/witness"]
    assert (log.cosigned, log.seen()) == (None, ())
    witnesses.away = set()
    # The next one brings both under one checkpoint.
    assert _submit(log, 1).quorum
    assert _submit(log, 0).quorum


def test_an_idle_log_asks_again_until_the_quorum_is_there() -> None:
    witnesses = FakeWitnesses()
    log = _started(Disk(), witnesses)
    witnesses.away = {"portco.example", "gridco.example"}
    assert not _submit(log, 0).quorum
    witnesses.away = set()
    with _running(log):
        _eventually(lambda: log.cosigned is not None)
    assert witnesses.policy.judge(log.checkpoint).quorum
    # The line that was there stays as it was.
    assert len(set(_names(log.checkpoint))) == 4
    assert _names(log.checkpoint)[2] == "westwater.example/witness"


@pytest.mark.parametrize("threaded", [False, True])
def test_a_witness_that_hangs_slows_neither_the_log_nor_its_end(threaded: bool) -> None:
    disk, witnesses = Disk(), FakeWitnesses()
    log = _started(disk, witnesses, wait_s=0.2)
    assert _submit(log, 0).quorum
    witnesses.hang = threading.Event()
    try:
        before = time.monotonic()
        if threaded:
            with _running(log):
                receipts = [_submit(log, number) for number in range(1, 20)]
        else:
            receipts = [_submit(log, number) for number in range(1, 20)]
        log.close()
        # One waits out the limit; who comes while the same round hangs waits for nothing.
        assert time.monotonic() - before < 2
        assert [receipt.quorum for receipt in receipts] == [False] * 19
        assert log.size == 20
        assert [seen.size for seen in log.seen()] == [1]
    finally:
        witnesses.hang.set()


def test_what_a_witness_says_after_the_end_reaches_neither_store_nor_files() -> None:
    disk, witnesses = Disk(), FakeWitnesses()
    log = _started(disk, witnesses, wait_s=0.2)
    assert _submit(log, 0).quorum
    witnesses.hang = threading.Event()
    assert not _submit(log, 1).quorum
    log.close()
    shown, kept = list(disk.shown), dict(disk.cosigned)
    witnesses.hang.set()
    _eventually(lambda: log._rounds.idle)
    assert (disk.shown, disk.cosigned) == (shown, kept)
    assert log.halted is None


def test_rounds_are_coalesced_to_the_newest_head_and_never_shown_over_it() -> None:
    disk, witnesses = Disk(), FakeWitnesses()
    log = _started(disk, witnesses)
    assert _submit(log, 0).quorum
    hold = threading.Event()
    witnesses.before_answer = lambda: _patient(hold)
    with _running(log):
        waiting = []
        for number in range(1, 8):
            waiting.append(log.keep(statement(number), [], CLEAR))
            _eventually(lambda number=number: log.size == number + 1)  # type: ignore[misc]
            _eventually(lambda: witnesses.asked[1:] == [2])  # the round that all others wait for
        hold.set()
        receipts = [one.wait() for one in waiting]
    assert all(receipt.quorum for receipt in receipts)
    assert witnesses.asked == [1, 2, 8]
    sizes = [cp.open_checkpoint(cp.open_note(note).text).size for note in disk.shown]
    assert sizes == sorted(sizes)
    # The round of size 2 ended when size 8 was published: it is kept, and not shown.
    assert sorted(disk.cosigned) == [1, 2, 8]
    assert log.cosigned == log.checkpoint


def test_a_bad_line_of_a_witness_we_know_never_reaches_the_checkpoint() -> None:
    disk, witnesses = Disk(), FakeWitnesses()
    witnesses.away = {"portco.example"}
    name = "portco.example/witness"
    key = cp.VerifierKey(name=name, kind=cp.COSIGNATURE, public=WITNESSES["portco.example"].public)
    witnesses.extra = [
        cp.NoteLine(name=name, keyid=key.keyid, blob=bytes(72)),
        cp.NoteLine(name=LOG.name, keyid=b"abcd", blob=bytes(72)),
        *(cp.NoteLine(name=f"w{n}.example", keyid=b"abcd", blob=bytes(72)) for n in range(40)),
    ]
    log = _started(disk, witnesses)
    assert _submit(log, 0).quorum
    assert name not in _names(log.checkpoint)
    assert len(_names(log.checkpoint)) == cp.MAX_LINES
    assert witnesses.policy.judge(log.checkpoint).quorum


def test_without_a_quorum_asked_for_nobody_waits_and_lines_are_kept_all_the_same() -> None:
    disk, witnesses = Disk(), FakeWitnesses("none")
    log = _started(disk, witnesses)
    hold = threading.Event()
    witnesses.before_answer = lambda: _patient(hold)
    assert _submit(log, 0).quorum
    assert [seen.size for seen in log.seen()] == [1]
    hold.set()
    _eventually(lambda: 1 in disk.cosigned)
    _eventually(lambda: len(_names(log.checkpoint)) == 5)
    assert log.has_quorum(0)


def test_a_proof_leads_to_the_checkpoint_with_the_quorum() -> None:
    witnesses = FakeWitnesses()
    log = _started(Disk(), witnesses)
    assert _submit(log, 0).quorum
    witnesses.away = set(WITNESSES)
    assert not _submit(log, 1).quorum
    judged = log.proof(0).verify(leaf(statement(0).raw), witnesses.policy)
    assert judged.checkpoint.size == 1
    assert log.proof(1).checkpoint == log.checkpoint


def test_cosignatures_survive_a_restart_also_those_too_few_for_a_quorum() -> None:
    disk, witnesses = Disk(), FakeWitnesses()
    log = _started(disk, witnesses)
    assert _submit(log, 0).quorum
    shown = log.checkpoint
    log.close()
    log = _started(disk, witnesses)
    assert log.checkpoint == log.cosigned == shown
    assert [seen.size for seen in log.seen()] == [1]
    assert [w.size for w in log.witnessed] == [1, 1, 1]
    witnesses.away = {"portco.example", "gridco.example"}
    assert not _submit(log, 1).quorum
    one_line, cosigned = log.checkpoint, log.cosigned
    log.close()
    log = _started(disk, witnesses)
    assert (log.checkpoint, log.cosigned) == (one_line, cosigned)


def test_what_failed_in_a_round_for_want_of_a_disk_halts_the_log() -> None:
    disk, witnesses = Disk(), FakeWitnesses()
    log = _started(disk, witnesses)
    disk.fail_at = len(("keep", "commit", "guard", "tile", "entries", "publish"))
    assert not _submit(log, 0).quorum
    assert disk.writes[-1] == "keep checkpoint"
    _eventually(lambda: log.halted is not None)
    with pytest.raises(LogHalted, match="failed at keep checkpoint"):
        _submit(log, 1)
    log = _started(disk, witnesses)
    assert _submit(log, 1).quorum


# --- the rollback guard ------------------------------------------------------------------------


def _grown(size: int, witnesses: FakeWitnesses) -> Disk:
    disk = Disk()
    log = _started(disk, witnesses)
    for number in range(size):
        assert _submit(log, number).quorum
    log.close()
    return disk


def _backup(disk: Disk, size: int) -> Disk:
    """The disk as it was at `size`: with the guard, as a copy of the whole folder has it."""
    old = Disk()
    old.logged, old.heads, old.edges = disk.logged[:size], disk.heads[:size], disk.edges[:size]
    old.guard = old.heads[-1] if old.heads else None
    old.cosigned = {n: note for n, note in disk.cosigned.items() if n <= size}
    return old


@pytest.mark.parametrize("quorum", ["two", "none"])
@pytest.mark.parametrize("size", [0, 1, 4])
def test_a_restored_backup_is_known_by_the_witnesses_and_writes_nothing(
    size: int, quorum: str
) -> None:
    witnesses = FakeWitnesses()
    old = _backup(_grown(5, witnesses), size)
    witnesses.policy = FakeWitnesses(quorum).policy
    log = _started(old, witnesses)
    writes = list(old.writes)
    for _ in range(2):
        with pytest.raises(RollbackError, match=f"has cosigned size 5 .* holds {size}") as caught:
            _submit(log, 77)
        assert "tocsin key rotate --log" in caught.value.remedy
    assert "has cosigned size 5" in (log.halted or "")
    assert old.writes == writes
    # Reads go on.
    assert log.size == size
    if size:
        log.prove(0)


@pytest.mark.parametrize("size", [5, 7])
def test_another_history_than_the_witnesses_saw_is_refused(size: int) -> None:
    witnesses = FakeWitnesses()
    _grown(5, witnesses)
    other = Disk()
    log = _started(other, None)
    for number in range(90, 90 + size):
        _submit(log, number)
    log = _started(other, witnesses)
    with pytest.raises(RollbackError, match=r"another root of .* at size 5"):
        _submit(log, 77)


def test_a_store_ahead_of_its_witnesses_goes_on() -> None:
    witnesses = FakeWitnesses()
    disk = _grown(3, witnesses)
    log = _started(disk, None)
    _submit(log, 3)
    log = _started(disk, witnesses)
    assert _submit(log, 4).quorum


def test_with_a_quorum_nothing_is_written_before_a_witness_answers() -> None:
    witnesses = FakeWitnesses()
    disk = _grown(2, witnesses)
    FakeLog(disk).keep_pending(statement(2), [], CLEAR)
    witnesses.away = set(WITNESSES)
    log = _started(disk, witnesses)
    writes = list(disk.writes)
    with pytest.raises(LogHalted, match="no witness answers"):
        _submit(log, 3)
    assert "no witness answers" in (log.halted or "")
    assert disk.writes == writes
    assert log.size == 2
    with _running(log):
        with pytest.raises(LogHalted, match="no witness answers"):
            _submit(log, 3)
        witnesses.away = {"portco.example", "gridco.example"}
        # What was pending is finished without anybody asking.
        _eventually(lambda: log.size == 3)
        assert log.halted is None
        _submit(log, 3)
    assert (log.size, disk.waiting) == (4, [])


def test_a_command_alone_asks_anew_each_time() -> None:
    witnesses = FakeWitnesses()
    disk = _grown(1, witnesses)
    witnesses.away = set(WITNESSES)
    log = _started(disk, witnesses)
    with pytest.raises(LogHalted, match="no witness answers"):
        _submit(log, 1)
    witnesses.away = set()
    assert _submit(log, 1).quorum


def test_without_a_quorum_witnesses_that_are_away_or_hang_hold_up_nothing() -> None:
    witnesses = FakeWitnesses("none")
    witnesses.away = set(WITNESSES)
    disk = Disk()
    assert _submit(_started(disk, witnesses), 0).index == 0
    witnesses.hang = threading.Event()
    try:
        log = _started(disk, witnesses, wait_s=0.2)
        before = time.monotonic()
        assert _submit(log, 1).index == 1
        assert _submit(log, 2).index == 2
        assert time.monotonic() - before < 1
        log.close()
    finally:
        witnesses.hang.set()


def test_a_size_that_we_never_signed_halts_nobody() -> None:
    witnesses = FakeWitnesses()
    disk = _grown(1, witnesses)
    made_up = cp.Checkpoint(origin=LOG.name, size=99, root=b"r" * 32)
    signer = WITNESSES["portco.example"]
    line = cp.cosign_ed25519(made_up, "portco.example/witness", signer.public, signer.sign, 1)
    witnesses.notes["portco.example"] = cp.write_note(made_up.text, [line])
    assert _submit(_started(disk, witnesses), 1).quorum


# --- time ---------------------------------------------------------------------------------------


def test_the_time_of_a_checkpoint_never_goes_back_also_over_a_restart() -> None:
    disk = Disk()
    log = _started(disk, None)

    def signed() -> int:
        note = cp.open_note(log.checkpoint)
        lines = cp.verify_note(note, [cp.open_vkey(text) for text in LOG.vkeys()])
        return max(line.time or 0 for line in lines)

    _submit(log, 0)
    first = signed()
    for number in (1, 2):
        clock = log._clock
        assert hasattr(clock, "now")
        clock.now = clock.now.replace(day=1)
        _submit(log, number)
        assert signed() == first
        log = _started(disk, None)
    assert merkle.root_of(leaf(row.raw) for row in disk.logged) == disk.heads[-1].root
