"""What a submitter, a reader and a door see of a log that works."""

from __future__ import annotations

import threading

import pytest
from tests.faults.sequencer_disk import CLEAR, LOG, ORIGIN, Disk, start, statement

from tocsin.errors import ChainError, LogHalted, ProofError, StoreError
from tocsin.record import checkpoint as cp
from tocsin.record import merkle, tiles
from tocsin.record.envelope import leaf
from tocsin.record.sequencer import Keeping, Opened, Receipt, Sequencer, Waiting

KEYS = [cp.open_vkey(text) for text in LOG.vkeys()]


def _started(disk: Disk, *, opened: list[Opened] | None = None) -> Sequencer:
    log = start(disk, opened=opened)
    log.recover()
    return log


def _submit(log: Sequencer, number: int) -> Receipt:
    return log.submit(statement(number), [], CLEAR)


def test_a_log_that_was_not_recovered_takes_nothing() -> None:
    disk = Disk()
    log = start(disk)
    with pytest.raises(LogHalted, match="not been recovered"):
        _submit(log, 0)
    assert disk.waiting == []
    with pytest.raises(LogHalted, match="no checkpoint to show"):
        assert log.checkpoint


def test_statements_get_dense_places_and_a_proof_each() -> None:
    log = _started(Disk())
    assert log.seen() == ()
    for number in range(300):
        receipt = _submit(log, number)
        assert (receipt.index, receipt.size, receipt.held) == (number, number + 1, False)
    head = cp.open_checkpoint(cp.open_note(log.checkpoint).text)
    assert (head.origin, head.size) == (ORIGIN, 300)
    assert len(cp.verify_note(cp.open_note(log.checkpoint), KEYS)) == 2
    for number in (0, 255, 256, 299):
        proof = log.proof(number)
        assert proof.checkpoint == log.checkpoint
        merkle.verify_inclusion(leaf(statement(number).raw), number, 300, proof.path, head.root)
    [seen] = log.seen()
    assert (seen.origin, seen.size) == (ORIGIN, 300)


def test_levels_that_did_not_grow_are_not_forgotten() -> None:
    log = _started(Disk())
    for number in range(520):
        assert _submit(log, number).index == number
    for index in (0, 255, 256, 511, 519):
        log.prove(index)


def test_a_statement_submitted_again_is_held_at_its_place() -> None:
    disk = Disk()
    log = _started(disk)
    _submit(log, 0)
    _submit(log, 1)
    again = _submit(log, 0)
    assert (again.index, again.size, again.held) == (0, 2, True)
    assert len(disk.logged) == 2


def test_older_sizes_can_be_proven_too() -> None:
    log = _started(Disk())
    roots = []
    for number in range(30):
        _submit(log, number)
        roots.append(cp.open_checkpoint(cp.open_note(log.checkpoint).text).root)
    for size in range(1, 31):
        path = log.path(size - 1, size)
        merkle.verify_inclusion(
            leaf(statement(size - 1).raw), size - 1, size, path, roots[size - 1]
        )
        merkle.verify_consistency(size, 30, roots[size - 1], roots[29], log.consistency(size))
    with pytest.raises(ProofError, match="not published"):
        log.prove(0, 31)
    with pytest.raises(ProofError, match="not published"):
        log.consistency(1, 31)
    with pytest.raises(ProofError, match="no leaf 30"):
        log.prove(30)


def test_a_damaged_tile_is_noticed_before_a_proof_is_given_out() -> None:
    disk = Disk()
    log = _started(disk)
    for number in range(3):
        _submit(log, number)
    disk.files["tile/0/000.p/3"] = bytes(96)
    with pytest.raises(ProofError, match="leads to root"):
        log.prove(1)
    del disk.files["tile/0/000.p/3"]
    with pytest.raises(ProofError, match="is missing"):
        log.prove(1)


def test_a_door_gets_tiles_of_the_published_tree_and_no_others() -> None:
    disk = Disk()
    log = _started(disk)
    waiting = [log.keep(statement(number), [], CLEAR) for number in range(260)]
    assert log.tile("tile/0/000") is None
    waiting[0].wait()
    assert sorted(disk.files) == [
        "tile/0/000",
        "tile/0/001.p/4",
        "tile/1/000.p/1",
        "tile/entries/000",
        "tile/entries/001.p/4",
    ]
    full = log.tile("tile/0/000")
    assert full is not None
    assert log.tile("tile/0/000.p/7") == full[: 7 * 32]
    bundle = log.tile("tile/entries/001.p/2")
    assert bundle is not None
    assert tiles.open_bundle(bundle) == [
        b"\x01" + bytes.fromhex(statement(n).id) for n in (256, 257)
    ]
    for path in ("tile/0/001", "tile/0/001.p/5", "tile/0/002.p/1", "tile/2/000.p/1", "../guard"):
        assert log.tile(path) is None


def test_statements_kept_together_share_one_commit() -> None:
    disk = Disk()
    log = start(disk, max_batch=4)
    log.recover()
    waiting = [log.keep(statement(number), [], CLEAR) for number in range(10)]
    receipts = [one.wait() for one in waiting]
    assert [receipt.index for receipt in receipts] == list(range(10))
    assert [head.size for head in disk.heads] == [4, 8, 10]
    assert [receipt.size for receipt in receipts] == [4] * 4 + [8] * 4 + [10] * 2


def test_a_thread_serves_many_submitters_in_few_commits_and_stops() -> None:
    disk = Disk()
    opened: list[Opened] = []
    log = _started(disk, opened=opened)
    stop = threading.Event()
    runner = threading.Thread(target=log.run, args=(stop,))
    runner.start()
    receipts: dict[int, Receipt] = {}

    def one(number: int) -> None:
        receipts[number] = _submit(log, number)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    runner.join(5)
    assert not runner.is_alive()
    assert sorted(receipt.index for receipt in receipts.values()) == list(range(60))
    for number, receipt in receipts.items():
        assert disk.logged[receipt.index].id == statement(number).id == receipt.id
    assert [item.index for item in opened] == list(range(60))
    assert [item.id for item in opened] == [row.id for row in disk.logged]
    # After the thread has gone, a submitter does the work itself.
    assert _submit(log, 60).index == 60


def test_one_statement_submitted_by_many_at_once_is_logged_once() -> None:
    disk = Disk()
    log = _started(disk)
    stop = threading.Event()
    runner = threading.Thread(target=log.run, args=(stop,))
    runner.start()
    receipts: list[Receipt] = []
    threads = [threading.Thread(target=lambda: receipts.append(_submit(log, 7))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    runner.join(5)
    assert {receipt.index for receipt in receipts} == {0}
    assert [receipt.held for receipt in receipts].count(False) == 1
    assert len(disk.logged) == 1


def test_a_clock_that_goes_back_a_day_changes_nothing_but_the_time() -> None:
    log = _started(Disk())
    _submit(log, 0)
    clock = log._clock
    assert hasattr(clock, "now")
    clock.now = clock.now.replace(day=1)
    assert _submit(log, 1).index == 1
    assert len(cp.verify_note(cp.open_note(log.checkpoint), KEYS)) == 2


def _keeping(*numbers: int) -> list[Keeping]:
    return [(statement(number), [], CLEAR, {}) for number in numbers]


@pytest.mark.parametrize("threaded", [False, True])
def test_many_are_kept_in_one_write_and_each_has_its_own_answer(threaded: bool) -> None:
    disk = Disk()
    log = _started(disk)
    _submit(log, 3)
    disk.refuse = {statement(5).id}
    before = disk.writes.count("keep")
    stop = threading.Event()
    runner = threading.Thread(target=log.run, args=(stop,))
    if threaded:
        runner.start()
    # 3 is in the log already, 4 comes twice, 5 is refused.
    first = log.keep_many(_keeping(3, 4, 5, 6))
    second = log.keep_many(_keeping(4))
    answers = [one.wait() if isinstance(one, Waiting) else one for one in [*first, *second]]
    stop.set()
    if threaded:
        runner.join(5)
    assert disk.writes.count("keep") == before + 2
    assert isinstance(answers[2], ChainError)
    places = [(a.index, a.held) for a in answers if isinstance(a, Receipt)]
    assert places[0] == (0, True)
    assert [index for index, _ in places] == [0, 1, 2, 1]
    assert [held for _, held in places].count(False) == 2
    assert [row.id for row in disk.logged] == [statement(n).id for n in (3, 4, 6)]


def test_many_of_which_the_keeping_fails_are_not_kept_and_nobody_waits() -> None:
    disk = Disk()
    log = _started(disk)
    disk.fail_at = 0
    with pytest.raises(StoreError):
        log.keep_many(_keeping(0, 1))
    assert log.halted is None
    assert [one.wait().index for one in log.keep_many(_keeping(0, 1)) if isinstance(one, Waiting)]
    assert log.keep_many([]) == []


def test_a_halt_answers_everybody_of_many() -> None:
    disk = Disk()
    log = _started(disk)
    many = log.keep_many(_keeping(0, 1))
    disk.fail_at = 0
    for one in many:
        assert isinstance(one, Waiting)
        with pytest.raises(LogHalted, match="failed at commit"):
            one.wait()
    with pytest.raises(LogHalted):
        log.keep_many(_keeping(2))
