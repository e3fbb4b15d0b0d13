"""L2: how long an acknowledgement takes at 500 statements/s, with witnesses on the loopback.

Three witnesses are processes of their own behind real HTTP (`tocsin witness run`); the policy wants
two. Statements are offered by a clock, whether or not earlier ones have been answered, and each is
answered when it is in the log under a checkpoint that a quorum has cosigned. The witness's own
answer is taken apart: one add-checkpoint after another, over HTTP.

python -m benchmarks.record_ack [SECONDS]
"""

from __future__ import annotations

import queue
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.figures import figure
from benchmarks.record_throughput import body
from tests.faults.three_nodes import federation, url_of, witnessed_by

from tocsin.flows import intake
from tocsin.flows.node import Node
from tocsin.outbound import fetch
from tocsin.peers import open_client
from tocsin.record.witness import write_request
from tocsin.wiring.folder import load_config
from tocsin.wiring.node import open_node, run_log

PARTY = "cert.northland.example"
WITNESSES = ("cert.portco.example", "cert.gridco.example", "cert.westwater.example")
RATE = 500
SUBMITTERS = 256


def main() -> None:
    """Print the figures of this file."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10
    count = round(seconds * RATE)
    with tempfile.TemporaryDirectory() as folder:
        homes = federation(Path(folder), [PARTY, *WITNESSES], gossip_s=3600)
        with _witnesses(homes[1:]) as urls:
            witnessed_by(homes[0], homes[1:], "2")
            with open_node(homes[0]) as node, run_log(node):
                raws = [body(node, f"case-{n}", 1)[0] for n in range(count)]
                intake.enter(node, body(node, "case-first", 1)[0])
                asked = _add_checkpoint(node, urls[0])
                taken, quorums = _offered(node, raws)
    taken.sort()
    common = {"unit": "ms", "n": count, "packages": ("tocsin", "httpx", "uvicorn")}
    what = f"acknowledgement at {RATE} statements/s, quorum of 2 of 3 loopback witnesses"
    for name, at, goal in (("p50", 0.5, "<= 250 ms"), ("p99", 0.99, "<= 1000 ms")):
        ours = taken[int(at * len(taken))] * 1000
        figure("L2", f"{what}, {name}", ours=ours, goal=goal, **common)  # type: ignore[arg-type]
    figure(
        "L2",
        f"{what}, share answered with the quorum",
        ours=quorums / len(taken),
        goal="1",
        unit="of all",
        n=count,
    )
    figure(
        "L2",
        "witness, add-checkpoint over HTTP, p50",
        ours=statistics.median(asked) * 1000,
        goal="<= 5 ms",
        unit="ms",
        n=len(asked),
    )


def _offered(node: Node, raws: Sequence[bytes]) -> tuple[list[float], int]:
    """Seconds from when each was due to its answer, and how many answers had a quorum."""
    due: queue.SimpleQueue[tuple[float, bytes] | None] = queue.SimpleQueue()
    taken: list[float] = []
    quorums: list[bool] = []

    def submitter() -> None:
        while (item := due.get()) is not None:
            at, raw = item
            done = intake.enter(node, raw)
            taken.append(time.perf_counter() - at)
            quorums.append(done.quorum)

    threads = [threading.Thread(target=submitter) for _ in range(SUBMITTERS)]
    for thread in threads:
        thread.start()
    start = time.perf_counter()
    for number, raw in enumerate(raws):
        at = start + number / RATE
        time.sleep(max(0.0, at - time.perf_counter()))
        due.put((at, raw))
    for _ in threads:
        due.put(None)
    for thread in threads:
        thread.join()
    return taken, sum(quorums)


def _add_checkpoint(node: Node, url: str, rounds: int = 200) -> list[float]:
    """Seconds that one witness takes for the same checkpoint, which it has cosigned, again."""
    request = write_request(node.log.size, [], node.log.checkpoint)
    taken = []
    client = open_client(url, own_machine=True)
    for _ in range(rounds):
        start = time.perf_counter()
        answer = fetch(
            client, "POST", "/add-checkpoint", body=request, max_bytes=128 << 10, seconds=5
        )
        taken.append(time.perf_counter() - start)
        assert answer.status == 200, answer.body
    client.close()
    return taken


@contextmanager
def _witnesses(homes: Sequence[Path]) -> Iterator[list[str]]:
    """Each folder's witness role in a process of its own; their addresses."""
    started = []
    urls = []
    try:
        for home in homes:
            port = load_config(home).node.port
            command = [sys.executable, "-m", "tocsin", "--home", str(home), "witness", "run"]
            command += ["--port", str(port)]
            started.append(subprocess.Popen(command, stdout=subprocess.PIPE))
            urls.append(f"{url_of(home)}/witness")
        for process in started:
            assert process.stdout is not None
            process.stdout.readline()
        time.sleep(0.5)
        yield urls
    finally:
        for process in started:
            process.send_signal(signal.SIGTERM)
        for process in started:
            process.wait(20)


if __name__ == "__main__":
    main()
