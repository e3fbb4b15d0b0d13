"""L3: a dossier of 1,000 statements and one of 100,000, verified by `tocsin verify` itself.

python -m benchmarks.record_verify [STATEMENTS …]
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figures import figure
from tests.unit.record.dossier_case import EAST, NORTH, POLICY_TEXT, Case

from tocsin.record import merkle, tiles

COUNTS = (1_000, 100_000)
GOALS = {1_000: "<= 1 s", 100_000: "<= 15 s"}
PACKAGES = ("tocsin", "pynacl", "cryptography", "orjson", "msgspec")


def dossier(count: int) -> tuple[bytes, bytes]:
    """A case in which two parties say `count` objects in turn; and its root file."""
    case = Case()
    for number in range(count):
        case.say((NORTH, EAST)[number % 2], number)
    leaves = case.leaves
    nothing: dict[str, bytes] = {}
    files = dict(tiles.new_tiles(0, len(leaves), nothing.__getitem__, leaves))
    reader = tiles.HashReader(len(leaves), files.__getitem__)
    case.path = lambda index, size: merkle.inclusion_path(index, size, reader)  # type: ignore[method-assign]
    return case.dossier(), case.root


def measured(command: list[str], runs: int) -> tuple[float, float]:
    """(seconds until the answer, seconds of processor with all workers), both medians."""
    walls, cpus = [], []
    for _ in range(runs):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        walls.append(time.perf_counter() - start)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpus.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(walls), statistics.median(cpus)


def main() -> None:
    """Print the figures of this file."""
    counts = [int(text) for text in sys.argv[1:]] or COUNTS
    for count in counts:
        data, root = dossier(count)
        runs = 5 if count < 10_000 else 2
        with tempfile.TemporaryDirectory() as folder:
            for name, content in (("d", data), ("p", POLICY_TEXT.encode()), ("r", root)):
                Path(folder, name).write_bytes(content)
            command = [sys.executable, "-m", "tocsin", "verify", f"{folder}/d", "--json"]
            command += ["--policy", f"{folder}/p", "--root", f"{folder}/r"]
            wall, cpu = measured(command, runs)
        for id, name, value in (
            ("L3", f"tocsin verify, {count} statements, processor of all its processes", cpu),
            ("L3w", f"tocsin verify, {count} statements, until the answer", wall),
        ):
            goal = GOALS.get(count, "none") if id == "L3" else "none"
            figure(id, name, ours=value, goal=goal, unit="s", n=runs, packages=PACKAGES)


if __name__ == "__main__":
    main()
