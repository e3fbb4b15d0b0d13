"""P2: opening a bundle and finding everything that breaks a MUST, beside `stix2-validator`.

The peer does not share an environment with us: its interpreter is named by TOCSIN_BENCH_PYTHON, and
has stix2-validator 3.2.0 (3.3.1 ships no schemas). It is given fewer objects of the same file, and
speeds are per object.

    TOCSIN_BENCH_PYTHON=…/bin/python python -m benchmarks.stix_check [RUNS]
"""

from __future__ import annotations

import json
import lzma
import os
import random
import statistics
import subprocess
import sys
from typing import Any

from benchmarks.figures import corpus, cpu_seconds, figure, skipped

from tocsin.stix.bundle import open_bundle
from tocsin.stix.check import check_bundle, check_objects

NAME = "open and check ATT&CK Enterprise 18.1, 24,771 objects, every finding"
FILE = "exchange/enterprise-18.1.json.xz"
PACKAGES = ("tocsin", "orjson", "msgspec")
SAMPLE = 600
"""Objects the peer is given; it takes about 6 ms for each."""
SEED = 1
PEER = """
import json, sys, time, warnings
from importlib.metadata import version
warnings.simplefilter("ignore")
from stix2validator import ValidationOptions, validate_instance
objects = json.load(sys.stdin)
options = ValidationOptions(version="2.1", disabled="all")
for one in objects[:20]:
    validate_instance(one, options)
start = time.process_time()
good = sum(validate_instance(one, options).is_valid for one in objects)
taken = time.process_time() - start
json.dump({"seconds": taken, "good": good, "version": version("stix2-validator")}, sys.stdout)
"""


def main() -> None:
    """Print the figures of this file."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    path = corpus("P2", NAME, FILE)
    if path is None:
        return
    data = lzma.decompress(path.read_bytes())
    items = open_bundle(data)
    if any(found.severity == "error" for found in check_objects(items)):
        raise SystemExit("an error is found in the file that is timed")
    check_bundle(data)
    ours = statistics.median(cpu_seconds(lambda: check_bundle(data), runs)) / len(items)
    alone = statistics.median(cpu_seconds(lambda: check_objects(items), runs)) / len(items)
    figure(
        "P2c",
        "check the same objects, opened before",
        ours=alone * 1e6,
        goal="printed",
        unit="CPU µs an object",
        n=runs,
        packages=PACKAGES,
    )
    peer = _peer([item.data for item in random.Random(SEED).sample(items, SAMPLE)])
    if isinstance(peer, str):
        figure(
            "P2",
            f"{NAME}; no peer: {peer}",
            ours=ours * 1e6,
            goal=">= 100 times faster than stix2-validator, 200 aimed at",
            unit="CPU µs an object",
            n=runs,
            packages=PACKAGES,
        )
        skipped("P2", NAME, peer)
        return
    figure(
        "P2",
        f"{NAME}; peer: stix2-validator {peer['version']}, {SAMPLE} of them, MUSTs only",
        ours=ours * 1e6,
        peer=peer["seconds"] / SAMPLE * 1e6,
        goal=">= 100 times faster than stix2-validator, 200 aimed at",
        unit="CPU µs an object",
        n=runs,
        seed=SEED,
        packages=PACKAGES,
    )


def _peer(objects: list[dict[str, Any]]) -> dict[str, Any] | str:
    """What the peer needs, or why it is not there."""
    python = os.environ.get("TOCSIN_BENCH_PYTHON")
    if not python:
        return "TOCSIN_BENCH_PYTHON names no interpreter that has stix2-validator 3.2.0"
    try:
        done = subprocess.run(
            [python, "-c", PEER],
            input=json.dumps(objects).encode(),
            capture_output=True,
            check=True,
            timeout=600,
        )
    except (OSError, subprocess.SubprocessError) as wrong:
        words = getattr(wrong, "stderr", None) or str(wrong).encode()
        return f"the peer does not run: {words.decode(errors='replace').strip()[-200:]}"
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
