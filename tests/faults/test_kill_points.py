"""SIGKILL at the n-th disk call of real publish cycles, across the edges of tiles.

A point follows from its seed: which log, which story, which call, torn or not. A failure prints the
command that repeats it: `python -m tests.faults.test_kill_points SEED [large]`.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

import pytest
from msgspec import Struct
from tests.faults.after_a_crash import Broken, check, head
from tests.faults.disk_calls import NEVER, DiskCalls, NoSqliteCalls
from tests.faults.publish_cycle import Told, be_steady, in_memory, play, prepare
from tests.long_runs import slice_count, slice_of

STORIES = (
    "open,say 3,close",
    "open,batch 3,say 1 x9000,close,open,say 1,exit",
    "open,keep 2,close,open,say 1 x20000,batch 2,exit",
    "open,keep 3,exit",
)
SMALL = (253, 254, 255, 256, 257)
LARGE = (65_533, 65_534, 65_535, 65_536)
"""Sizes before; each story goes over the edge behind them."""
ROOM = 600_000_000


ENDS = (b"died ", b"alive ", b"unable ")


class Point(Struct, frozen=True):
    """Where one process is killed."""

    size: int
    story: str
    call: int
    torn: bool


class Outcome(Struct, frozen=True):
    """What came of it, without what no two runs share: signatures, salts, times."""

    point: Point
    died: str
    kept: tuple[str, ...]
    logged: tuple[tuple[str, int], ...]
    shown: tuple[tuple[int, bytes], ...]
    size: int
    """After the restart."""


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=in_memory(ROOM)) as folder:
        yield Path(folder)


def base(place: Path, size: int) -> Path:
    """A closed log of this size; made once, from the next smaller one where there is one."""
    folder = place / f"base-{size}"
    if not folder.exists():
        fresh = place / f"making-{size}-{os.getpid()}"
        smaller = place / f"base-{size - 1}"
        if smaller.exists():
            shutil.copytree(smaller, fresh)
            play(fresh, ("open", "say 1", "close"), size - 1)
        else:
            prepare(fresh, size)
        fresh.rename(folder)
    return folder


def cut_off(folder: Path, point: Point) -> tuple[Told, str]:
    """Play the story in a child that is killed at its point; what it said, and its last call."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover
        code = 1
        try:
            os.close(read)
            calls = DiskCalls(
                point.call,
                torn=point.torn,
                folder=folder,
                dying=lambda name: write_all(write, f"died {name}\n".encode()),
            )
            calls.watch()
            story = point.story.split(",")
            play(folder, story, point.size, lambda line: write_all(write, line), steady=True)
            os.write(write, f"alive {calls.count}\n".encode())
            code = 0
        except NoSqliteCalls as wrong:
            os.write(write, f"unable {wrong}\n".encode())
            code = 0
        finally:
            os._exit(code)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        report = pipe.read()
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, report[-500:]
    ends = [line for line in report.split(b"\n") if line.startswith(ENDS)]
    assert len(ends) == 1, report[-500:]
    return Told.of(report), ends[0].decode()


def write_all(descriptor: int, line: bytes) -> None:
    os.write(descriptor, line)


@cache
def calls_in(place: Path, size: int, story: str) -> int:
    """How many disk calls this story makes when nothing happens to it."""
    folder = place / f"count-{os.getpid()}"
    shutil.copytree(base(place, size), folder)
    _, last = cut_off(folder, Point(size, story, NEVER, torn=False))
    shutil.rmtree(folder)
    if last.startswith("unable"):
        pytest.skip(f"SQLite's own calls cannot be reached: {last}")
    assert last.startswith("alive"), last
    return int(last.split()[1])


def point_of(place: Path, seed: int, sizes: Sequence[int]) -> Point:
    rng = random.Random(seed)
    size, story = rng.choice(sizes), rng.choice(STORIES)
    return Point(size, story, rng.randrange(calls_in(place, size, story)), rng.random() < 0.5)


def kill_at(place: Path, point: Point) -> Outcome:
    """Kill at this point, restart, and check every promise. Raises Broken."""
    folder = place / f"killed-{os.getpid()}"
    shutil.copytree(base(place, point.size), folder)
    try:
        told, last = cut_off(folder, point)
        size = check(folder, told, before=point.size)
    finally:
        shutil.rmtree(folder)
    return Outcome(
        point=point,
        died=last,
        kept=tuple(told.kept),
        logged=tuple(told.logged),
        shown=tuple((h.size, h.root) for h in map(head, told.shown)),
        size=size,
    )


def strike(place: Path, seeds: Sequence[int], sizes: Sequence[int]) -> list[Outcome]:
    """One outcome for each seed. Raises Broken, with the command that repeats it."""
    be_steady()
    outcomes = []
    for seed in seeds:
        point = point_of(place, seed, sizes)
        try:
            outcomes.append(kill_at(place, point))
        except Broken as wrong:
            large = " large" if sizes is LARGE or max(sizes) > 60_000 else ""
            again = f"python -m tests.faults.test_kill_points {seed}{large}"
            raise Broken(f"{wrong}\n  {point}\n  {again}") from wrong
    return outcomes


@pytest.mark.timeout(1200)
def test_a_node_killed_at_any_disk_call_keeps_every_promise(place: Path) -> None:
    outcomes = strike(place, range(420), SMALL)
    assert all(outcome.died.startswith("died") for outcome in outcomes)
    died = " ".join(outcome.died for outcome in outcomes)
    for call in ("sqlite pwrite", "torn", "ftruncate", "fsync", "os.rename", "os.mkdir", "write"):
        assert call in died, call
    assert {outcome.size for outcome in outcomes} >= set(range(253, 262))


def test_the_same_seed_gives_the_same_outcome(place: Path) -> None:
    seeds = range(1000, 1020)
    assert strike(place, seeds, SMALL) == strike(place, seeds, SMALL)


# --- the long run -----------------------------------------------------------------------------


def _strike(place: Path, seeds: Sequence[int], sizes: Sequence[int]) -> int:
    return len(strike(place, seeds, sizes))


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_ten_thousand_kills_break_no_promise(place: Path) -> None:
    be_steady()
    begin = time.monotonic()
    for size in (*SMALL, *LARGE):
        base(place, size)
    prepared = time.monotonic() - begin
    jobs: list[tuple[Sequence[int], Sequence[int]]]
    jobs = [(slice_of(range(start, start + 10)), LARGE) for start in range(0, 120, 10)]
    jobs += [(slice_of(range(start, start + 80)), SMALL) for start in range(10_000, 19_880, 80)]
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        done = sum(
            pool.map(_strike, [place] * len(jobs), [j[0] for j in jobs], [j[1] for j in jobs])
        )
    seconds = time.monotonic() - begin
    print(f"kill points: {done}, {seconds:.0f} s with {prepared:.0f} s for the logs before them")
    assert done >= slice_count(10_000)


def main(argv: Sequence[str]) -> None:
    """Repeat one point."""
    sizes = LARGE if argv[1:] else SMALL
    with tempfile.TemporaryDirectory(dir=in_memory(ROOM)) as folder:
        for outcome in strike(Path(folder), [int(argv[0])], sizes):
            print(outcome)


if __name__ == "__main__":
    main(sys.argv[1:])
