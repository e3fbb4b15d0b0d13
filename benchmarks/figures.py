"""How a figure is taken and printed: one JSON line each.

Times are of this process's processor (user and system), so that what else the machine does shows
less. A speed is printed and never asserted.
"""

from __future__ import annotations

import gc
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

CORPUS = Path(
    os.environ.get("TOCSIN_CORPUS")
    or Path(__file__).resolve().parent.parent.parent / "shared" / "corpus"
)


def figure(
    id: str,
    name: str,
    *,
    ours: float,
    peer: float | None = None,
    ratio: float | None = None,
    goal: str,
    unit: str,
    n: int,
    seed: int | None = None,
    packages: Iterable[str] = (),
) -> None:
    """Print one figure.

    Args:
        id: the figure's name in the design, as P1.
        ours, peer: in `unit`; `peer` is None where there is nothing to compare with.
        ratio: how many times better ours is; default peer / ours, for times and sizes.
        goal: what is asked of it, in words.
        n: how many runs the medians are of.
        packages: whose versions belong beside the figure.
    """
    if ratio is None and peer is not None and ours:
        ratio = peer / ours
    _print(
        {
            "id": id,
            "name": name,
            "ours": _short(ours),
            "peer": _short(peer),
            "ratio": _short(ratio),
            "goal": goal,
            "unit": unit,
            "n": n,
            "seed": seed,
            "versions": versions(packages),
            "machine": machine(),
        }
    )


def share(
    id: str, name: str, counted: tuple[int, int], goal: str, *, packages: Iterable[str] = ()
) -> None:
    """Print how many of a number are right: `counted` is (right, of how many)."""
    right, total = counted
    figure(
        id,
        f"{name}, {right} of {total}",
        ours=right / max(1, total),
        goal=goal,
        unit="share",
        n=1,
        packages=packages,
    )


def skipped(id: str, name: str, why: str) -> None:
    """Print that a figure could not be taken, and why."""
    _print({"id": id, "name": name, "skipped": why, "machine": machine()})


def corpus(id: str, name: str, file: str) -> Path | None:
    """A corpus file, or None after saying that this figure is skipped without it."""
    path = CORPUS / file
    if path.exists():
        return path
    skipped(id, name, f"corpus file {file} is absent (set TOCSIN_CORPUS to its folder)")
    return None


def cpu_seconds(work: Callable[[], object], runs: int) -> list[float]:
    """Processor seconds of each of `runs` runs; garbage is collected before, not counted."""
    taken = []
    for _ in range(runs):
        gc.collect()
        start = time.process_time()
        result = work()
        taken.append(time.process_time() - start)
        del result
    return taken


def cpu_median(work: Callable[[], object], runs: int) -> float:
    """The median of `cpu_seconds`."""
    return statistics.median(cpu_seconds(work, runs))


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Python's version, and those of the packages that are installed."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found


def machine() -> str:
    """What it ran on, as far as the platform says: never a name of the host."""
    model = ""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if "model name" in line), "")
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {model}".rstrip(", ")


def _short(number: float | None) -> float | None:
    return None if number is None else float(f"{number:.4g}")


def _print(line: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
    sys.stdout.flush()
