"""L3: a dossier of 1,000 statements, verified by a new process; and the same without its start.

python -m benchmarks.record_verify [STATEMENTS]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figures import cpu_median, figure
from tests.unit.record.dossier_case import EAST, NORTH, POLICY, POLICY_TEXT, Case

from tocsin.record import merkle, tiles
from tocsin.record.dossier import verify

RUNS = 5
PACKAGES = ("tocsin", "pynacl", "cryptography", "orjson", "msgspec")
_CHILD = """
import sys
from pathlib import Path
from tocsin.record.checkpoint import open_policy
from tocsin.record.dossier import verify
dossier, policy, root = (Path(name).read_bytes() for name in sys.argv[1:])
sys.exit(0 if verify([dossier], open_policy(policy), root).ok else 3)
"""


def main() -> None:
    """Print the figures of this file."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    case = Case()
    for number in range(count):
        case.say((NORTH, EAST)[number % 2], number)
    leaves = case.leaves
    nothing: dict[str, bytes] = {}
    files = dict(tiles.new_tiles(0, len(leaves), nothing.__getitem__, leaves))
    reader = tiles.HashReader(len(leaves), files.__getitem__)
    case.path = lambda index, size: merkle.inclusion_path(index, size, reader)  # type: ignore[method-assign]
    data = case.dossier()
    assert verify([data], POLICY, case.root).ok
    with tempfile.TemporaryDirectory() as folder:
        names = []
        for name, content in (("d", data), ("p", POLICY_TEXT.encode()), ("r", case.root)):
            path = Path(folder) / name
            path.write_bytes(content)
            names.append(str(path))
        taken = []
        for _ in range(RUNS):
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", _CHILD, *names], check=True)
            taken.append(time.perf_counter() - start)
    figure(
        "L3",
        f"verify a dossier of {count} statements, start of the interpreter included",
        ours=statistics.median(taken),
        goal="<= 1 s at 1,000; <= 15 s at 100,000",
        unit="s",
        n=RUNS,
        packages=PACKAGES,
    )
    figure(
        "L3p",
        f"verify a dossier of {count} statements, processor time in a warm process",
        ours=cpu_median(lambda: verify([data], POLICY, case.root), RUNS),
        goal="none",
        unit="s",
        n=RUNS,
        packages=PACKAGES,
    )


if __name__ == "__main__":
    main()
