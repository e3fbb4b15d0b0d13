"""SIGKILL before and after every step of a real publish cycle, on a real store and real files."""

from __future__ import annotations

import os
import shutil
import signal
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.faults.sequencer_disk import CLEAR, LOG, Clock, statement

from tocsin.record import checkpoint as cp
from tocsin.record import merkle
from tocsin.record.envelope import leaf
from tocsin.record.sequencer import Sequencer
from tocsin.store.files import TileFiles
from tocsin.store.sqlite import SqliteStore

STEPS = ("keep_pending", "append", "write_guard", "write", "write_checkpoint")


class Deadly:
    """Passes every call on, and kills its own process before or after the n-th step."""

    def __init__(self, inner: Any, strike: Callable[[], None]) -> None:
        self._inner = inner
        self._strike = strike

    def write_all(self, items: Any) -> None:
        for path, data in items:
            self.write(path, data)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in STEPS:
            return found

        def step(*args: Any, **rest: Any) -> Any:
            self._strike()
            done = found(*args, **rest)
            self._strike()
            return done

        return step


def _countdown(number: int) -> Callable[[], None]:
    left = [number]

    def strike() -> None:
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1

    return strike


@contextmanager
def _log(
    folder: Path, strike: Callable[[], None] = lambda: None
) -> Iterator[tuple[Sequencer, SqliteStore]]:
    store = SqliteStore.open(folder / "data")
    files: Any = Deadly(TileFiles(folder / "tlog", folder / "guard"), strike)
    port: Any = Deadly(store, strike)
    try:
        log = Sequencer(store=port, files=files, signer=LOG, clock=Clock())
        log.recover()
        yield log, store
    finally:
        store.close()


def _killed(folder: Path, first: int, number: int) -> tuple[list[tuple[int, int]], bool]:
    """Submit three statements in a child that dies at step `number`.

    Returns:
        (statement, index) of everything it acknowledged, and whether it was killed.
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover
        code = 1
        try:
            with _log(folder, _countdown(number)) as (log, _):
                for extra in range(first, first + 3):
                    receipt = log.submit(statement(extra), [], CLEAR)
                    os.write(write, struct.pack(">II", extra, receipt.index))
            code = 0
        finally:
            os._exit(code)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        data = pipe.read()
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    acknowledged = [(a, b) for a, b in struct.iter_unpack(">II", data)]
    return acknowledged, os.WIFSIGNALED(status)


def _check(folder: Path, size: int, acknowledged: list[tuple[int, int]]) -> None:
    """A restart has every acknowledged statement at its place, and every proof holds."""
    with _log(folder) as (log, store):
        assert store.pending() == []
        assert log.size >= size + len(acknowledged)
        for number, index in acknowledged:
            assert store.place(statement(number).id) == index
        if log.size:
            head = cp.open_checkpoint(cp.open_note(log.checkpoint).text)
            entries = store.entries(0, log.size)
            assert merkle.root_of(merkle.leaf_hash(b"\x01" + e) for e in entries) == head.root
        for number in range(size, size + 3):
            receipt = log.submit(statement(number), [], CLEAR)
            assert receipt.index < size + 3
            path = log.prove(receipt.index, receipt.size)
            root = merkle.root_from_inclusion(
                leaf(statement(number).raw), receipt.index, receipt.size, path
            )
            if receipt.size == log.size:
                assert root == cp.open_checkpoint(cp.open_note(log.checkpoint).text).root
        assert log.size == size + 3


def _prepared(folder: Path, size: int) -> Path:
    with _log(folder) as (log, _):
        waiting = [log.keep(statement(number), [], CLEAR) for number in range(size)]
        for one in waiting:
            one.wait()
    return folder


@pytest.mark.parametrize("size", [0, 254])
def test_kill_at_any_step_and_a_restart_finishes_what_was_pending(
    tmp_path: Path, size: int
) -> None:
    base = _prepared(tmp_path / "base", size)
    for number in range(100):
        folder = tmp_path / f"round{number}"
        shutil.copytree(base, folder)
        acknowledged, killed = _killed(folder, size, number)
        _check(folder, size, acknowledged)
        shutil.rmtree(folder)
        if not killed:
            assert number > 30
            return
    pytest.fail("one hundred steps, and three statements were not in the log")


def test_killed_again_during_every_recovery(tmp_path: Path) -> None:
    folder = _prepared(tmp_path / "base", 254)
    acknowledged: list[tuple[int, int]] = []
    for number in (3, 0, 5, 1, 7, 2, 9, 4):
        more, _ = _killed(folder, 254, number)
        acknowledged = sorted({*acknowledged, *more})
    _check(folder, 254, acknowledged)
