"""Every write of a publish cycle fails, in both ways: nothing acknowledged is lost, no fork."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest
from tests.faults.sequencer_disk import (
    CLEAR,
    LOG,
    Clock,
    Disk,
    FakeFiles,
    FakeLog,
    Head,
    Row,
    Way,
    start,
    statement,
)

from tocsin.errors import LogHalted, RollbackError, StoreError, TocsinError
from tocsin.record import checkpoint as cp
from tocsin.record import merkle, tiles
from tocsin.record.envelope import leaf
from tocsin.record.keys import LogSigner
from tocsin.record.sequencer import Receipt, Sequencer

WAYS: tuple[Way, ...] = ("failed", "failed but persisted")


class Watcher:
    """Everything that left the process: no size with two roots, no acknowledged entry lost."""

    def __init__(self) -> None:
        self.roots: dict[int, bytes] = {}
        self.receipts: dict[int, Receipt] = {}

    def look(self, disk: Disk) -> None:
        for note in disk.shown:
            head = cp.open_checkpoint(cp.open_note(note).text)
            assert self.roots.setdefault(head.size, head.root) == head.root
        for number, receipt in self.receipts.items():
            assert disk.logged[receipt.index].id == statement(number).id
        leaves = [leaf(row.raw) for row in disk.logged]
        for size, root in self.roots.items():
            assert merkle.root_of(leaves[:size]) == root
        if disk.guard:
            assert disk.guard.size <= (disk.heads[-1].size if disk.heads else 0)

    def submit(self, log: Sequencer, number: int) -> bool:
        try:
            self.receipts[number] = log.submit(statement(number), [], CLEAR)
        except LogHalted:
            return False
        except StoreError:
            return False  # keeping failed: nothing was promised
        return True


def _prepared(size: int) -> tuple[Disk, Watcher]:
    disk, watcher = Disk(), Watcher()
    log = start(disk)
    log.recover()
    waiting = [log.keep(statement(number), [], CLEAR) for number in range(size)]
    for number, one in enumerate(waiting):
        watcher.receipts[number] = one.wait()
    watcher.look(disk)
    return disk, watcher


def _reopened(disk: Disk) -> Sequencer:
    log = start(disk)
    log.recover()
    return log


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", [0, 1, 254, 255, 256, 257])
def test_a_failure_at_any_write_halts_and_a_restart_goes_on(size: int, way: Way) -> None:
    disk, watcher = _prepared(size)
    before = len(disk.writes)
    log = _reopened(disk)
    assert watcher.submit(log, size)
    steps = disk.writes[before + (size > 0) :]
    assert {"keep", "commit", "guard", "tile", "publish"} <= set(steps)
    for number, step in enumerate(steps):
        disk, watcher = _prepared(size)
        log = _reopened(disk)
        disk.fail_at, disk.way = number, way
        assert not watcher.submit(log, size), step
        assert (log.halted is None) == (step == "keep")
        watcher.look(disk)
        if step != "keep":
            # Halted: no write goes through, reads go on at the size that was shown.
            assert not watcher.submit(log, size + 1)
            assert log.size == size or step == "publish"
            if size:
                log.prove(size - 1)
        log = _reopened(disk)
        watcher.look(disk)
        if step != "keep" or way == "failed but persisted":
            assert [row.id for row in disk.logged].count(statement(size).id) == 1
        for extra in range(size, size + 3):
            assert watcher.submit(log, extra)
        watcher.look(disk)
        assert len(disk.logged) == size + 3


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("times", [1, 2, 3, 4, 5])
def test_failing_again_and_again_at_the_same_size_forks_nothing(times: int, way: Way) -> None:
    for first in range(9):
        disk, watcher = _prepared(255)
        for round_number in range(times):
            log = start(disk)
            disk.fail_at, disk.way = (first + round_number) % 9, way
            try:
                log.recover()
            except TocsinError:
                watcher.look(disk)
                continue
            watcher.submit(log, 255 + round_number)
            watcher.look(disk)
        disk.fail_at = None
        log = _reopened(disk)
        for extra in range(255, 262):
            assert watcher.submit(log, extra)
        watcher.look(disk)
        assert len({row.id for row in disk.logged}) == len(disk.logged) == 262


def test_a_restart_finishes_what_is_pending() -> None:
    disk, watcher = _prepared(3)
    for number in (3, 4):
        FakeLog(disk).keep_pending(statement(number), [], CLEAR)
    log = _reopened(disk)
    assert (log.size, disk.waiting) == (5, [])
    assert log.submit(statement(3), [], CLEAR).held
    watcher.look(disk)


def test_missing_tiles_are_written_again_and_others_are_not_touched() -> None:
    disk, _ = _prepared(70_000 % 600)
    kept = dict(disk.files)
    for path in list(disk.files):
        disk.files = {name: data for name, data in kept.items() if name != path}
        _reopened(disk)
        assert disk.files == kept
    disk.files = {}
    _reopened(disk)
    assert disk.files == kept


def test_other_bytes_in_a_tile_halt_the_log_at_the_start() -> None:
    disk, _ = _prepared(5)
    disk.files["tile/0/000.p/5"] = bytes(160)
    log = start(disk)
    with pytest.raises(LogHalted, match=r"tile/0/000\.p/5"):
        log.recover()
    with pytest.raises(LogHalted, match="other bytes"):
        log.submit(statement(5), [], CLEAR)


def test_other_bytes_where_a_new_tile_goes_halt_before_anything_is_shown() -> None:
    disk, watcher = _prepared(5)
    log = _reopened(disk)
    disk.files["tile/0/000.p/6"] = bytes(192)
    shown = len(disk.shown)
    assert not watcher.submit(log, 5)
    assert log.halted is not None
    assert len(disk.shown) == shown
    assert log.size == 5
    watcher.look(disk)


def test_the_same_log_leaves_a_halt_by_recovering() -> None:
    disk, watcher = _prepared(2)
    log = _reopened(disk)
    disk.fail_at = 1
    assert not watcher.submit(log, 2)
    assert log.halted == "the disk failed at commit"
    log.recover()
    assert (log.size, disk.waiting) == (3, [])
    assert watcher.submit(log, 3)
    watcher.look(disk)


def test_a_second_instance_on_the_same_store_is_refused() -> None:
    disk, watcher = _prepared(3)
    one, two = _reopened(disk), _reopened(disk)
    assert watcher.submit(one, 3)
    assert not watcher.submit(two, 4)
    assert two.halted is not None
    watcher.look(disk)
    assert watcher.submit(_reopened(disk), 5)
    assert not watcher.submit(one, 6)
    watcher.look(disk)


def test_a_second_instance_is_refused_by_the_store_alone() -> None:
    disk, watcher = _prepared(3)
    one, two = _reopened(disk), _reopened(disk)
    assert watcher.submit(one, 3)
    disk.guard = None
    assert not watcher.submit(two, 4)
    assert two.halted == "another head"
    watcher.look(disk)


def test_a_restart_writes_the_guard_that_a_crash_left_behind() -> None:
    disk, watcher = _prepared(3)
    log = _reopened(disk)
    disk.fail_at = 2
    assert not watcher.submit(log, 3)
    assert disk.writes[-1] == "guard"
    assert disk.guard is not None
    assert disk.guard.size == 3
    _reopened(disk)
    assert disk.guard.size == 4


def test_a_restored_backup_is_refused_at_the_start() -> None:
    disk, _ = _prepared(3)
    backup = (list(disk.logged), list(disk.heads), list(disk.edges))
    log = _reopened(disk)
    log.submit(statement(3), [], CLEAR)
    disk.logged, disk.heads, disk.edges = backup
    log = start(disk)
    with pytest.raises(RollbackError, match="has shown size 4, and this store holds size 3"):
        log.recover()
    with pytest.raises(LogHalted):
        log.submit(statement(9), [], CLEAR)
    with pytest.raises(LogHalted):
        assert log.checkpoint
    disk.logged, disk.heads, disk.edges = [], [], []
    with pytest.raises(RollbackError, match="holds size 0"):
        start(disk).recover()


def test_a_guard_that_runs_ahead_while_running_halts_too() -> None:
    disk, watcher = _prepared(3)
    log = _reopened(disk)
    disk.guard = Head(origin=log.origin, size=9, root=b"r" * 32, checkpoint=b"")
    heads = len(disk.heads)
    assert not watcher.submit(log, 3)
    assert len(disk.heads) == heads


def test_another_history_of_the_same_length_is_refused() -> None:
    disk, _ = _prepared(3)
    other = Disk()
    log = start(other)
    log.recover()
    for number in (7, 8, 9, 10):
        log.submit(statement(number), [], CLEAR)
    other.guard = disk.guard
    with pytest.raises(RollbackError, match="another root at size 3"):
        start(other).recover()
    other.logged, other.heads, other.edges = other.logged[:3], other.heads[:3], other.edges[:3]
    with pytest.raises(RollbackError, match="has shown size 3"):
        start(other).recover()


def test_a_store_whose_entries_were_altered_is_refused() -> None:
    disk, _ = _prepared(5)
    disk.logged[1], disk.logged[2] = disk.logged[2], disk.logged[1]
    disk.guard = None
    with pytest.raises(RollbackError, match="do not lead to the root"):
        start(disk).recover()
    disk, _ = _prepared(5)
    disk.logged.pop()
    with pytest.raises(RollbackError, match="holds 4"):
        start(disk).recover()


def test_a_checkpoint_by_other_keys_or_for_another_head_is_refused() -> None:
    disk, _ = _prepared(2)
    other = LogSigner.from_seeds(start(disk).origin, b"\x08" * 32, b"\x09" * 32)
    log = Sequencer(store=FakeLog(disk), files=FakeFiles(disk), signer=other, clock=Clock())
    with pytest.raises(RollbackError, match="is not one that"):
        log.recover()
    head = disk.heads[-1]
    disk.heads[-1] = Head(origin=head.origin, size=1, root=head.root, checkpoint=head.checkpoint)
    with pytest.raises(RollbackError, match="its checkpoint says"):
        start(disk).recover()


def test_the_guard_of_another_log_is_refused() -> None:
    disk, _ = _prepared(2)
    disk.guard = Head(origin="portco.example/log", size=1, root=b"r" * 32, checkpoint=b"")
    with pytest.raises(RollbackError, match="head guard is of portco"):
        start(disk).recover()


def test_a_halt_wakes_everybody_who_waits() -> None:
    disk, _ = _prepared(1)
    log = _reopened(disk)
    stop = threading.Event()
    disk.fail_at = 10  # the commit after ten were kept
    errors: list[str] = []

    def one(number: int) -> None:
        try:
            log.submit(statement(number), [], CLEAR)
        except LogHalted as wrong:
            errors.append(wrong.remedy)

    waiting = [log.keep(statement(number), [], CLEAR) for number in range(1, 11)]
    runner = threading.Thread(target=log.run, args=(stop,))
    threads = [threading.Thread(target=one, args=(n,)) for n in range(1, 11)]
    for thread in threads:
        thread.start()
    runner.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()
    stop.set()
    runner.join(120)
    assert not runner.is_alive()
    assert len(errors) == 10
    for item in waiting:
        with pytest.raises(LogHalted, match="halted: the disk failed"):
            item.wait()


def test_an_error_that_is_none_of_ours_halts_too() -> None:
    disk, watcher = _prepared(0)
    log = _reopened(disk)
    # No time can be signed: there is none before it that could be signed again.
    log._clock = lambda: datetime(1900, 1, 1, tzinfo=UTC)
    assert not watcher.submit(log, 1)
    assert log.halted is not None
    log._clock = lambda: 1 // 0  # type: ignore[assignment, return-value]
    with pytest.raises(LogHalted, match="ZeroDivisionError"):
        log.recover()


def test_a_lost_guard_beside_a_store_halts_where_no_witness_is_asked() -> None:
    disk, _ = _prepared(3)
    disk.guard = None
    log = start(disk)
    with pytest.raises(RollbackError, match="missing beside a store of size 3") as lost:
        log.recover()
    assert "tocsin log guard --renew" in lost.value.remedy
    assert disk.guard is None, "it is not written behind anybody's back"
    with pytest.raises(LogHalted):
        log.submit(statement(3), [], CLEAR)


def test_an_empty_log_has_a_guard_before_its_first_statement() -> None:
    """A crash between the first commit and its guard is no lost guard."""
    disk, _ = _prepared(0)
    assert disk.guard is not None
    assert disk.guard.size == 0


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 70_000])
def test_all_tiles_of_a_large_log_are_made_again_from_the_store(size: int) -> None:
    disk = Disk()
    disk.logged = [Row(id=f"{number:064x}", raw=b"") for number in range(size)]
    entries = [b"\x01" + bytes.fromhex(row.id) for row in disk.logged]
    edge = merkle.Edge()
    for entry in entries:
        edge.append(merkle.leaf_hash(entry))
    head = cp.Checkpoint(origin=LOG.name, size=size, root=edge.root())
    note = cp.sign_checkpoint(head, LOG, 0)
    disk.heads = [Head(origin=LOG.name, size=size, root=edge.root(), checkpoint=note)]
    disk.edges = [edge.to_list()]
    disk.guard = disk.heads[0]
    log = _reopened(disk)
    leaves = [merkle.leaf_hash(entry) for entry in entries]
    made = tiles.new_tiles(0, size, disk.files.__getitem__, leaves)
    assert disk.files == dict(made + tiles.new_bundles(0, size, disk.files.__getitem__, entries))
    assert log.submit(statement(0), [], CLEAR).index == size
    log.prove(size)
    log.prove(0)
