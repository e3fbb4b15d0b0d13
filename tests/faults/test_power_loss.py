"""The power fails anywhere in a publish cycle: what was promised is there, and no sync is missing.

Recordings of the real node under strace, cut off at every operation (`power_loss`). Kill -9 keeps
the page cache, so that nothing but this finds a sync that was forgotten.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from tests.faults.disk_trace import (
    NotKilled,
    NoTracing,
    Recording,
    Run,
    Show,
    Sync,
    record,
)
from tests.faults.power_loss import (
    MUTANTS,
    STYLES,
    Case,
    Disk,
    Found,
    cases,
    digest,
    load,
    save,
    search,
)
from tests.faults.publish_cycle import be_steady, in_memory, prepare
from tests.long_runs import slice_count, slice_of

Story = tuple[int, tuple[Run, ...]]
EDGE: Story = (253, (Run("open,say 3 x9000,batch 3,keep 2,close,open,say 1 x30000,exit", 253),))
STORIES: dict[str, Story] = {
    "first start": (0, (Run("open,say 3,close,open,say 1,exit", 0),)),
    "over a tile's edge": EDGE,
    "pending at the start": (255, (Run("open,keep 3,exit", 255), Run("open,say 1,close", 258))),
    "one commit over two tiles": (254, (Run("open,batch 260,say 1,close", 254),)),
}
"""Size of the log before, and the processes that follow each other."""


def killed(call: str, when: int, size: int = 254) -> Story:
    """A node is killed as it calls for a sync, starts again, and then the power fails."""
    first = Run("open,say 1,exit", size, kill=f"{call}:signal=KILL:when={when}")
    return size, (first, Run("open,exit", size + 1))


RELAXED: dict[str, Story] = {
    f"synchronous={how}": (254, (Run("open,say 3 x9000,batch 3,exit", 254, how),))
    for how in ("NORMAL", "OFF")
}


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder where a sync costs nothing, if this machine has one: nothing here needs a disk."""
    with tempfile.TemporaryDirectory(dir=in_memory(40_000_000)) as folder:
        yield Path(folder)


def recorded(place: Path, story: Story) -> Recording:
    base, runs = story
    be_steady()
    folder = place / "recorded"
    shutil.rmtree(folder, ignore_errors=True)
    ready = place / f"base-{base}"
    if not ready.exists():
        ready.mkdir()
        if base:
            prepare(ready, base)
    shutil.copytree(ready, folder)
    try:
        return record(folder, runs, base)
    except NoTracing as wrong:
        pytest.skip(str(wrong))


def some_of(chosen: list[Case], count: int, seed: int) -> list[Case]:
    return random.Random(seed).sample(chosen, min(count, len(chosen)))


def show(recording: Recording, found: Found) -> str:
    """What failed, and the command that repeats it."""
    if not found.failures:
        return ""
    with tempfile.NamedTemporaryFile(prefix="tocsin-", suffix=".rec", delete=False) as file:
        path = save(recording, Path(file.name))
    lines = [
        f"{failure.problem}\n  python -m tests.faults.power_loss {path} "
        f"{failure.case.cut} {failure.case.style} {failure.case.seed}"
        for failure in found.failures[:5]
    ]
    return f"{recording.story}: {len(found.failures)} of {found.tried}\n" + "\n".join(lines)


@pytest.mark.parametrize("name", STORIES)
def test_after_a_power_loss_anywhere_what_was_promised_is_there(place: Path, name: str) -> None:
    recording = recorded(place, STORIES[name])
    chosen = some_of(list(cases(recording, seed=7, rounds=2)), 80, seed=7)
    found = search(recording, chosen, place / "state")
    assert not found.failures, show(recording, found)
    assert len(found.states) > 40


@pytest.mark.parametrize("size", [0, 254])
def test_what_a_killed_node_had_not_synced_is_not_taken_for_durable(place: Path, size: int) -> None:
    """The next start reads it, as the kernel still has it, and goes on from there."""
    rng = random.Random(size)
    points = [("fdatasync", n) for n in range(3, 8)] + [("fsync", n) for n in range(1, 17)]
    for call, when in rng.sample(points, 6):
        try:
            recording = recorded(place, killed(call, when, size))
        except NotKilled:
            continue
        late = [c for c in cases(recording, seed=7, rounds=1) if shown_anew(recording, c)]
        found = search(recording, some_of(late, 12, when), place / "state")
        assert not found.failures, show(recording, found)


def shown_anew(recording: Recording, case: Case) -> bool:
    """Whether this cut is after the second process has shown a checkpoint."""
    last = max((n for n, op in enumerate(recording.ops) if isinstance(op, Show)), default=0)
    return case.cut > last and STYLES[case.style] != ("all", "all")


@pytest.mark.parametrize("mutant", [name for name in MUTANTS if name])
def test_a_sync_that_is_left_out_is_noticed(place: Path, mutant: str) -> None:
    recording = recorded(place, EDGE)
    left_out = [op for op in recording.ops if isinstance(op, Sync) and MUTANTS[mutant](op)]
    assert left_out, "this recording has no such sync"
    every = list(cases(recording, seed=3, rounds=1))
    for seed in range(12):
        chosen = some_of(every, 60, seed)
        found = search(recording, chosen, place / "state", mutant=mutant, stop_at_first=True)
        if found.failures:
            return
    pytest.fail(f"{mutant}: 720 states, and nobody noticed")


@pytest.mark.parametrize("name", RELAXED)
def test_a_database_that_syncs_less_is_noticed(place: Path, name: str) -> None:
    recording = recorded(place, RELAXED[name])
    every = list(cases(recording, seed=3, rounds=1))
    for seed in range(6):
        found = search(recording, some_of(every, 60, seed), place / "state", stop_at_first=True)
        if found.failures:
            return
    pytest.fail(f"{name}: 360 states, and nobody noticed")


def test_a_state_is_the_same_bytes_when_it_is_built_again(place: Path) -> None:
    recording = recorded(place, EDGE)
    again = load(save(recording, place / "kept.rec"))
    for case in some_of(list(cases(recording, seed=5, rounds=1)), 60, seed=5):
        made = []
        for one in (recording, again):
            disk = Disk(one)
            disk.play(case.cut)
            rng = random.Random(f"{case}")
            made.append(digest(disk.state(STYLES[case.style], rng)))
        assert made[0] == made[1], case


# --- the long run -----------------------------------------------------------------------------


def _hunt(path: Path, chosen: list[Case]) -> Found:
    folder = path.with_suffix(f".{os.getpid()}")
    return search(load(path), chosen, folder)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_twenty_thousand_power_losses_break_no_promise(place: Path) -> None:
    begin = time.monotonic()
    killings = []
    for size in (0, 254, 256):
        killings += [killed("fdatasync", n, size) for n in range(1, 16)]
        killings += [killed("fsync", n, size) for n in range(1, 28)]
    stories = [*STORIES.values(), *slice_of(killings)]
    states: set[bytes] = set()
    tried = 0
    cores = os.cpu_count() or 1
    with ProcessPoolExecutor(cores, multiprocessing.get_context("spawn")) as pool:
        for number, story in enumerate(stories):
            try:
                recording = recorded(place, story)
            except NotKilled:
                continue
            path = save(recording, place / "story.rec")
            every = some_of(
                list(cases(recording, seed=number, rounds=3)), slice_count(12_000), number
            )
            if number >= len(STORIES):  # what is after the restart is what these are for
                late = [c for c in every if shown_anew(recording, c)]
                every = some_of(every, 60, number) + some_of(late, 140, number)
            every.sort(key=lambda c: c.cut)
            size = -(-len(every) // (cores * 4))
            parts = [every[n : n + size] for n in range(0, len(every), size)]
            for found in pool.map(_hunt, [path] * len(parts), parts):
                assert not found.failures, show(recording, found)
                states |= found.states
                tried += found.tried
            print(f"{number}: {len(states)} states after {time.monotonic() - begin:.0f} s")
    seconds = time.monotonic() - begin
    print(f"power loss: {len(states)} states, {tried} checks, {seconds:.0f} s")
    assert len(states) >= slice_count(20_000)
