"""L5: an inclusion proof out of the tiles of a log of a million entries; L4's integration rate.

python -m benchmarks.record_proof [ENTRIES]
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from hashlib import sha256

from benchmarks.figures import figure

from tocsin.record import merkle, tiles

SEED = 7
PROOFS = 2_000


def main() -> None:
    """Print the figures of this file."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    entries = [b"\x01" + sha256(number.to_bytes(8, "big")).digest() for number in range(size)]
    start = time.process_time()
    edge = merkle.Edge()
    leaves = []
    for entry in entries:
        leaf = merkle.leaf_hash(entry)
        leaves.append(leaf)
        edge.append(leaf)
    root = edge.root()
    nothing: dict[str, bytes] = {}
    files = dict(tiles.new_tiles(0, size, nothing.__getitem__, leaves))
    seconds = time.process_time() - start
    figure(
        "L4i",
        f"integrate {size} entries: leaves, edge, hash tiles",
        ours=size / seconds,
        goal=">= 150,000 leaves/s",
        unit="leaves/s",
        n=1,
        packages=("tocsin",),
    )
    rnd = random.Random(SEED)
    taken, longest = [], 0
    for _ in range(PROOFS):
        index = rnd.randrange(size)
        start = time.perf_counter()
        path = merkle.inclusion_path(index, size, tiles.HashReader(size, files.__getitem__))
        taken.append(time.perf_counter() - start)
        merkle.verify_inclusion(leaves[index], index, size, path, root)
        longest = max(longest, len(path))
    assert longest <= 20 or size > 1_048_576
    figure(
        "L5",
        f"one proof from tiles in memory, {size} entries, at most {longest} hashes",
        ours=statistics.median(taken) * 1000,
        goal="<= 1 ms p50, <= 20 hashes",
        unit="ms",
        n=PROOFS,
        seed=SEED,
        packages=("tocsin",),
    )


if __name__ == "__main__":
    main()
