"""S1, S5, S6, S8: sweeping raw text, the numpy kernel (find.md §6). CPU seconds of all threads.

    python -m benchmarks.sweep_text [--megabytes 40] [--needles 10000 100000]

The peer is `grep -F -f NEEDLES` in the C locale, writing to a file. It does less: no rule of ours
(sub-domains, prefixes, IPv6, URLs, escapes, longer names) holds there, so only its time counts.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from benchmarks.figures import figure, skipped
from benchmarks.generate import FILES, make

from tocsin.flows.hunt import LIMIT, load_indicators, sweep
from tocsin.sweep.tokens import Needles
from tocsin.sweep.warninglists import LISTS

SEED = 20261122
RUNS = 5


def median(work: Callable[..., float], *given: object) -> float:
    """Median of what `work` says it took."""
    return statistics.median(work(*given) for _ in range(RUNS))


def of_grep(needles: Path, logs: list[Path], out: Path) -> float:
    """CPU seconds of grep, user and system."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with open(out, "wb") as file:
        subprocess.run(
            ["grep", "-F", "-f", str(needles), *map(str, logs)],
            stdout=file,
            env={**os.environ, "LC_ALL": "C"},
            check=False,
        )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def of_ours(needles: Needles, logs: list[Path], threads: int | None = None) -> float:
    start = time.process_time()
    sweep([str(path) for path in logs], needles, threads=threads)
    return time.process_time() - start


def of_newlines(logs: list[Path]) -> float:
    """CPU seconds numpy takes to count newlines: about what memory gives."""
    texts = [np.frombuffer(path.read_bytes(), np.uint8) for path in logs]
    start = time.process_time()
    for text in texts:
        for low in range(0, len(text), 1 << 18):
            np.count_nonzero(text[low : low + (1 << 18)] == 10)
    return time.process_time() - start


def wrong(needles: Needles, folder: Path, logs: list[Path]) -> tuple[int, int]:
    """Hits missed, and hits that should not be, against the truth."""
    found = {
        (Path(hit.path).name, hit.line, hit.value, hit.rule)
        for hit in sweep([str(path) for path in logs], needles, limit=max(LIMIT, 10**9)).hits
    }
    rows = map(json.loads, (folder / "truth.jsonl").read_text().splitlines())
    truth = {(row["path"], row["line"], row["value"], row["rule"]) for row in rows}
    return len(truth - found), len(found - truth)


def built(folder: Path) -> tuple[Needles, float]:
    """The needles of a folder, and the CPU seconds it took to build them."""
    given = load_indicators((folder / "needles.txt").read_bytes(), "needles.txt")
    start = time.process_time()
    needles = Needles.build(given.needles, seed=SEED, overrides=LISTS)
    return needles, time.process_time() - start


def main(megabytes: float, sizes: list[int]) -> None:
    packages = ("numpy",)
    for size in sizes:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            make(folder, megabytes=megabytes, needles=size, seed=SEED)
            logs = [folder / name for name in FILES]
            volume = sum(path.stat().st_size for path in logs) / 1e6
            needles, seconds = built(folder)
            missed, false = wrong(needles, folder, logs)
            figure(
                "S6",
                f"hits missed and false, {size} needles, {volume:.0f} MB",
                ours=missed + false,
                goal="0 missed, 0 false",
                unit="hits",
                n=1,
                seed=SEED,
                packages=packages,
            )
            figure(
                "S7",
                f"build {size} needles (numpy)",
                ours=seconds,
                goal="told only; the goal is for the compiled kernel at 1e6",
                unit="CPU s",
                n=1,
                seed=SEED,
                packages=packages,
            )
            ours = median(of_ours, needles, logs)
            name = f"sweep of {volume:.0f} MB with {size} needles, numpy kernel / grep -F"
            if shutil.which("grep") is None:
                skipped("S1", name, "there is no grep here")
            elif size > 10_000:
                skipped("S1", name, "grep -F takes too long at this size to be run five times")
            else:
                listed, out = folder / "needles.txt", folder / "grep.out"
                (folder / "empty").touch()
                peer = median(of_grep, listed, logs, out)
                start = median(of_grep, listed, [folder / "empty"], out)
                figure(
                    "S1",
                    f"{name} (its start-up, {start:.2f} s, taken off)",
                    ours=volume / ours,
                    peer=volume / max(peer - start, 1e-9),
                    ratio=(peer - start) / ours,
                    goal=">= 2 for numpy (S9), >= 7 for the compiled kernel",
                    unit="MB per CPU s",
                    n=RUNS,
                    seed=SEED,
                    packages=packages,
                )
            single = median(of_ours, needles, logs, 1)
            figure(
                "S8",
                f"CPU per byte, all cores / one, {size} needles",
                ours=ours / single,
                goal="<= 1.15",
                unit="ratio",
                n=RUNS,
                seed=SEED,
                packages=packages,
            )
            newlines = median(of_newlines, logs)
            figure(
                "S5",
                f"share of numpy's newline count, {size} needles (numpy kernel)",
                ours=100 * newlines / single,
                goal=">= 12 for the compiled kernel",
                unit="%",
                n=RUNS,
                seed=SEED,
                packages=packages,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Figures S1, S5 to S8 of design/find.md.")
    parser.add_argument("--megabytes", type=float, default=40)
    parser.add_argument("--needles", type=int, nargs="+", default=[10_000, 100_000])
    given = parser.parse_args()
    main(given.megabytes, given.needles)
