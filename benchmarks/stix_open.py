"""P1, P3: opening ATT&CK against `stix2.parse`, and writing it again.

Opening is what `open_bundle` does with every limit on: exact bytes, id, type, references and
SHA-256 of each object, doubled keys refused. P1d also decodes every object once more, as a reader
who wants them all would.

P1r is the same beside the toolkit `stix-rust`, whose import name clashes with others': its
interpreter is named by TOCSIN_BENCH_RUST.

    python -m benchmarks.stix_open [RUNS]
"""

from __future__ import annotations

import gc
import lzma
import os
import statistics
import subprocess
import sys
from contextlib import suppress

import orjson
from benchmarks.figures import corpus, cpu_median, cpu_seconds, figure, skipped

from tocsin.stix.bundle import open_bundle, write_bundle

NAME = "open ATT&CK Enterprise 18.1, 24,771 objects, 33.9 MB, all limits on"
FILE = "exchange/enterprise-18.1.json.xz"
PACKAGES = ("tocsin", "stix2", "orjson", "msgspec")


def main() -> None:
    """Print the figures of this file."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    path = corpus("P1", NAME, FILE)
    if path is None:
        return
    data = lzma.decompress(path.read_bytes())
    _check(data)
    _p1r(data, runs)
    _p1(data, runs)
    _p3(data, runs)


def _p1(data: bytes, runs: int) -> None:
    try:
        import stix2
    except ImportError:
        skipped("P1", NAME, "stix2 is not installed (dependency group bench)")
        return
    text = data.decode()
    # Ours first: a heap that the other has used and left in pieces costs a tenth more.
    ours = cpu_seconds(lambda: open_bundle(data), 3 * runs)
    decoded = cpu_seconds(lambda: [one.data for one in open_bundle(data)], runs)
    peer = cpu_seconds(lambda: stix2.parse(text, allow_custom=True), runs)
    for id, name, taken in (
        ("P1", NAME, ours),
        ("P1d", NAME + ", and decode every object", decoded),
    ):
        figure(
            id,
            name,
            ours=statistics.median(taken),
            peer=statistics.median(peer),
            goal=">= 30 times faster than stix2.parse, 40 aimed at" if id == "P1" else "printed",
            unit="CPU seconds",
            n=runs,
            packages=PACKAGES,
        )
    spaced = orjson.dumps(orjson.loads(data), option=orjson.OPT_INDENT_2)
    gc.collect()
    figure(
        "P1s",
        NAME + ", written with indents",
        ours=cpu_median(lambda: open_bundle(spaced), 3),
        peer=statistics.median(peer),
        goal="printed",
        unit="CPU seconds",
        n=3,
        packages=PACKAGES,
    )


RUST = """
import statistics, sys, time
from importlib.metadata import version
import stix
text, engine, taken = sys.stdin.buffer.read().decode(), stix.Engine(), []
for _ in range(7):
    start = time.process_time()
    bundle = engine.parse_bundle(text)
    taken.append(time.process_time() - start)
    del bundle
print(statistics.median(taken), version("stix-rust"))
"""


def _p1r(data: bytes, runs: int) -> None:
    name = NAME + "; peer: stix-rust, which makes no digests"
    python = os.environ.get("TOCSIN_BENCH_RUST")
    if not python:
        skipped("P1r", name, "TOCSIN_BENCH_RUST names no interpreter that has stix-rust")
        return
    try:
        done = subprocess.run(
            [python, "-c", RUST], input=data, capture_output=True, check=True, timeout=300
        )
    except (OSError, subprocess.SubprocessError) as wrong:
        skipped("P1r", name, f"the peer does not run: {wrong}"[:200])
        return
    seconds, version = done.stdout.decode().split()
    figure(
        "P1r",
        f"{name}, {version}",
        ours=cpu_median(lambda: open_bundle(data), 3 * runs),
        peer=float(seconds),
        goal=">= 2 times faster, hoped for",
        unit="CPU seconds",
        n=runs,
        packages=PACKAGES,
    )


def _p3(data: bytes, runs: int) -> None:
    raws = [one.raw for one in open_bundle(data)]
    bundle_id = orjson.loads(data)["id"]
    whole = write_bundle(raws, bundle_id)
    figure(
        "P3",
        "write the bundle again, byte for byte equal",
        ours=float(whole == data),
        goal="1",
        unit="1 = equal",
        n=1,
        packages=PACKAGES,
    )
    ours = cpu_median(lambda: write_bundle(raws, bundle_id), 3 * runs)
    peer = None
    with suppress(ImportError):
        import stix2

        bundle = stix2.parse(data.decode(), allow_custom=True)
        peer = cpu_median(bundle.serialize, 1)
    figure(
        "P3t",
        "write the bundle again; peer: stix2 Bundle.serialize, which has it parsed before",
        ours=ours,
        peer=peer,
        goal=">= 40 times, 45 aimed at",
        unit="CPU seconds",
        n=3 * runs,
        packages=PACKAGES,
    )


def _check(data: bytes) -> None:
    """That what is timed is the whole of it."""
    opened = open_bundle(data)
    objects = orjson.loads(data)["objects"]
    if [one.data for one in opened] != objects or any(one.problem for one in opened):
        raise SystemExit("the objects opened are not the objects in the file")


if __name__ == "__main__":
    main()
