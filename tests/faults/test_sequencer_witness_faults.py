"""Every write of a cycle with witnesses fails, in both ways: no line lost, nothing goes back."""

from __future__ import annotations

import random
import time

import pytest
from tests.faults.sequencer_disk import CLEAR, WITNESSES, Disk, FakeWitnesses, Way, start, statement

from tocsin.errors import LogHalted, StoreError
from tocsin.record import checkpoint as cp
from tocsin.record.sequencer import Sequencer

WAYS: tuple[Way, ...] = ("failed", "failed but persisted")


def _opened(disk: Disk, witnesses: FakeWitnesses) -> Sequencer:
    log = start(disk, witnesses=witnesses)
    log.recover()
    return log


def _ended(log: Sequencer) -> None:
    until = time.monotonic() + 60
    while not log._rounds.idle:
        assert time.monotonic() < until, "a round of the witnesses does not end"
        time.sleep(0.005)
    log.close()


def _submit(log: Sequencer, number: int) -> bool | None:
    """Whether it was answered, and with a quorum; None: it was not."""
    try:
        return log.submit(statement(number), [], CLEAR).quorum
    except (LogHalted, StoreError):
        return None


def _check(disk: Disk, witnesses: FakeWitnesses) -> None:
    """What was shown never goes back, at one size lines only grow, and every line is good."""
    before = (0, 0)
    for note in disk.shown:
        judged = witnesses.policy.judge(note)
        now = (judged.checkpoint.size, len(judged.lines))
        assert now >= before
        before = now
    for size, note in list(disk.cosigned.items()):  # a round may still be writing
        judged = witnesses.policy.judge(note)
        assert judged.quorum
        assert judged.checkpoint.size == size <= len(disk.logged)


@pytest.mark.parametrize("way", WAYS)
def test_a_failure_at_any_write_loses_no_cosignature_and_no_answer(way: Way) -> None:
    disk, witnesses = Disk(), FakeWitnesses()
    log = _opened(disk, witnesses)
    assert _submit(log, 0)
    _ended(log)
    before = len(disk.writes)
    log = _opened(disk, witnesses)
    assert _submit(log, 1)
    _ended(log)
    steps = disk.writes[before:]
    assert steps[-2:] == ["keep checkpoint", "publish"]
    for number, step in enumerate(steps):
        disk, witnesses = Disk(), FakeWitnesses()
        log = _opened(disk, witnesses)
        assert _submit(log, 0)
        _ended(log)
        if number == 0:
            continue  # the first one publishes at the start
        log = _opened(disk, witnesses)
        disk.fail_at, disk.way = number - 1, way
        quorum = _submit(log, 1)
        _ended(log)
        # The log had it before the witnesses were asked: then it is answered, without them.
        in_round = number >= len(steps) - 2
        assert quorum == (False if in_round else None), step
        assert (log.halted is None) == (step == "keep")
        _check(disk, witnesses)
        seen = [s.size for s in log.seen()]
        assert seen == [2 if step == "publish" and in_round else 1]
        log = _opened(disk, witnesses)
        _check(disk, witnesses)
        assert max(s.size for s in log.seen()) >= max(seen)
        assert _submit(log, 2)
        _ended(log)
        _check(disk, witnesses)
        assert len({row.id for row in disk.logged}) == len(disk.logged) >= 2


@pytest.mark.parametrize("seed", range(30))
def test_witnesses_that_come_and_go_and_a_disk_that_fails_now_and_then(seed: int) -> None:
    rng = random.Random(seed)
    disk, witnesses = Disk(), FakeWitnesses(rng.choice(("two", "all", "none")))
    answered: dict[int, int] = {}
    for number in range(25):
        log = _opened(disk, witnesses)
        for extra in range(rng.randrange(1, 4)):
            witnesses.away = set(rng.sample(sorted(WITNESSES), rng.randrange(3)))
            disk.fail_at = rng.choice((None, None, rng.randrange(9)))
            disk.way = rng.choice(WAYS)
            try:
                receipt = log.submit(statement(number * 4 + extra), [], CLEAR)
            except (LogHalted, StoreError):
                break
            answered[number * 4 + extra] = receipt.index
        _ended(log)
        disk.fail_at = None
        witnesses.away = set()
        _check_shown(disk)
    log = _opened(disk, witnesses)
    assert all(disk.logged[index].id == statement(n).id for n, index in answered.items())
    assert witnesses.policy.quorum == "none" or _submit(log, 999)
    _ended(log)
    _check_shown(disk)


def _check_shown(disk: Disk) -> None:
    shown = [cp.open_note(note) for note in disk.shown]
    heads = [(cp.open_checkpoint(note.text).size, len(note.lines)) for note in shown]
    assert heads == sorted(heads)
    roots: dict[int, str] = {}
    for note, (size, _) in zip(shown, heads, strict=True):
        assert roots.setdefault(size, note.text) == note.text
