"""Kill, EIO, ENOSPC and EROFS at every system call of one append-and-publish cycle of the real
server: strace puts them in (`man strace`, "Tampering").

A node is forked off a loaded server (`served`), a case is opened through its API while one call of
one of its threads fails, and then it is killed and started again; every other start fails somewhere
too. The next point goes on with what that left behind.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from tests.faults.after_a_crash import published, same_history
from tests.faults.node_process import tocsin
from tests.long_runs import EVERY, slice_count

from tocsin.record import checkpoint as cp
from tocsin.store.sqlite import SqliteStore
from tocsin.wiring.keys import load_log_signer

ROOT = Path(__file__).resolve().parents[2]
PARTY = "cert.northland.example"
THREADS = ("tocsin-store", "sequencer")
CALLS = "write,pwrite64,ftruncate,fsync,fdatasync,rename,unlink,mkdir,openat,link"
FAULTS = ("signal=KILL", "error=EIO", "error=ENOSPC", "error=EROFS")
STARTING = ("fsync", "fdatasync", "rename", "ftruncate", "pwrite64")
"""Struck while a node starts, in every thread: so none of the calls that sockets and pipes need."""


class Point(Struct, frozen=True):
    """The n-th of these calls by this thread, counted from 1."""

    thread: str
    call: str
    number: int
    fault: str


class Served:
    """A data folder whose node is started, struck and killed again and again."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "north"
        self.trace = folder / "trace"
        tocsin(self.home, "init", "--party", PARTY, "--name", "CERT Northland")
        signer = load_log_signer(self.home, PARTY)
        assert signer is not None
        self.keys = [cp.open_vkey(vkey) for vkey in signer.vkeys()]
        self.server = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.served"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.shown: dict[int, bytes] = {}
        self.acknowledged: list[str] = []
        self.struck = 0
        self.struck_starts = 0
        self.answers: Counter[str] = Counter()
        self.cases = 0
        self.pid = 0
        self.up: dict[str, Any] = {}

    def tell(self, **asked: Any) -> dict[str, Any]:
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.server.stdin.write(json.dumps(asked) + "\n")
        self.server.stdin.flush()
        ready, _, _ = select.select([self.server.stdout], [], [], 60)
        assert ready, f"a minute without an answer to {asked}"
        answer: dict[str, Any] = json.loads(self.server.stdout.readline())
        return answer

    def start(self, strike: str = "") -> bool:
        """Start the node; whether it is up. What keeps it down is a typed refusal, or a kill."""
        self.pid = self.tell(start=str(self.home))["pid"]
        tracer = self.attach(self.pid, strike, every_thread=True) if strike else None
        self.up = self.tell(go=self.pid)
        if tracer is not None:
            self.detach(tracer)
            struck = "url" not in self.up or "INJECTED" in self.trace.read_text()
            self.struck_starts += struck
        assert "crashed" not in self.up, (strike, self.up["crashed"])
        if "refused" in self.up:
            assert strike, self.up
            assert self.up["remedy"]
        if "url" not in self.up:
            self.tell(reap=self.pid)
            assert strike, "a clean start died"
            return False
        return True

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.tell(reap=self.pid)

    def close(self) -> None:
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.server.stdin.close()
        self.server.wait(10)
        self.server.stdout.close()

    # --- strace ---------------------------------------------------------------------------

    def attach(
        self, task: int, strike: str, *, every_thread: bool = False, calls: str = ""
    ) -> subprocess.Popen[str]:
        command = ["strace", "-qq", "-y", "-o", str(self.trace)]
        command += ["-f"] if every_thread else []
        command += ["-e", f"trace={calls or strike.partition(':')[0]}"]
        command += ["-e", f"inject={strike}"] if strike else []
        tracer = subprocess.Popen([*command, "-p", str(task)], stderr=subprocess.PIPE, text=True)
        status = Path(f"/proc/{self.pid}/task/{task}/status")
        for _ in range(2000):
            if f"TracerPid:\t{tracer.pid}\n" in status.read_text():
                return tracer
            if tracer.poll() is not None:
                assert tracer.stderr is not None
                pytest.skip(f"no right to trace a process here: {tracer.stderr.read().strip()}")
            time.sleep(0.002)
        raise AssertionError("strace never got hold of the node")

    @staticmethod
    def detach(tracer: subprocess.Popen[str]) -> None:
        tracer.terminate()
        try:
            tracer.communicate(timeout=3)
        except subprocess.TimeoutExpired:  # it waits for a process that was killed under it
            tracer.kill()
            tracer.communicate(timeout=20)

    # --- the node's own doors -------------------------------------------------------------

    def ask(self, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """Status and body; 0 where the node died over it."""
        request = urllib.request.Request(
            self.up["url"] + path,
            data=body,
            headers={"Authorization": f"Bearer {self.up['token']}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return int(answer.status), bytes(answer.read())
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.read()
        except (OSError, http.client.HTTPException):
            return 0, b""

    def say(self) -> int:
        """Open a case; the status. A refusal must be one of ours, and say what to do."""
        self.cases += 1
        body = json.dumps({"title": f"case {self.cases}", "tlp": "GREEN"}).encode()
        status, answer = self.ask("/api/v1/cases", body)
        if status == 200:
            self.acknowledged.append(json.loads(answer)["statement"]["id"])
        elif status:
            problem = json.loads(answer)
            assert status in (503, 507), problem
            assert problem["remedy"], problem
            self.answers[f"{status} {problem['title']}"] += 1
        return status

    def look(self) -> None:
        """Reads go on, and no size is ever shown with two roots."""
        status, note = self.ask("/tlog/checkpoint")
        assert status == 200, note
        head = cp.open_checkpoint(cp.open_note(note).text)
        assert self.shown.setdefault(head.size, head.root) == head.root
        lying = published(self.home, self.keys)
        assert lying is not None
        there = cp.open_checkpoint(cp.open_note(lying).text)
        assert self.shown.setdefault(there.size, there.root) == there.root
        for id in self.acknowledged[-3:] + self.acknowledged[:1]:
            status, answer = self.ask(f"/api/v1/statements/{id}")
            assert status == 200, (id, answer)

    # --- points ---------------------------------------------------------------------------

    def counted(self) -> list[Point]:
        """Every call of one cycle, found by watching one."""
        points = []
        for thread in THREADS:
            tracer = self.attach(self.up["threads"][thread], "", calls=CALLS)
            assert self.say() == 200
            time.sleep(0.2)  # words are cut behind the answer
            self.detach(tracer)
            seen: Counter[str] = Counter()
            for call, rest in re.findall(r"^(\w+)\((.*)", self.trace.read_text(), re.MULTILINE):
                seen[call] += 1
                if str(self.home) in rest:  # others wake the event loop, say
                    points += [Point(thread, call, seen[call], fault) for fault in FAULTS]
        return points

    def strike(self, point: Point, rng: random.Random) -> None:
        """One point, with everything that must hold after it."""
        strike = f"{point.call}:{point.fault}:when={point.number}"
        tracer = self.attach(self.up["threads"][point.thread], strike)
        status = self.say()
        if status:
            time.sleep(0.06)  # words are cut behind the answer, and may be what is struck
        alive = status != 0 and self.ask("/healthz")[0] == 200
        self.detach(tracer)
        # A call that is killed at its entrance never gets to the trace.
        struck = "INJECTED" in self.trace.read_text() or not alive
        self.struck += struck
        assert alive or point.fault == "signal=KILL", "an error of the disk ended the process"
        if alive:
            self.look()
            again = self.say()
            assert again in (200, 503, 507)
            if status == 503:
                assert again == 503, "a halted log took a statement"
            self.look()
        self.kill()
        for _ in range(rng.randrange(1, 3)):  # and again, at the same size
            call = rng.choice(STARTING)
            fault = rng.choice(FAULTS)
            if self.start(f"{call}:{fault}:when={rng.randrange(1, 9)}"):
                self.kill()
        assert self.start(), point
        status, answer = self.ask("/api/v1/log")
        assert status == 200
        assert json.loads(answer)["halted"] is None, (point, answer)
        self.look()

    def finish(self) -> None:
        """Everything acknowledged is in the log, and everything shown is its history."""
        assert self.say() == 200
        self.look()
        self.kill()
        store = SqliteStore.open(self.home / "data")
        try:
            head = store.head()
            assert head is not None
            entries = store.entries(0, head.size)
            for id in self.acknowledged:
                assert store.place(id) is not None, f"{id} was acknowledged, and is gone"
        finally:
            store.close()
        origin = f"{PARTY}/log"
        heads = [cp.Checkpoint(origin=origin, size=s, root=r) for s, r in self.shown.items()]
        same_history(entries, heads)


@contextlib.contextmanager
def served() -> Iterator[Served]:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    with tempfile.TemporaryDirectory() as folder:
        node = Served(Path(folder))
        try:
            yield node
        finally:
            node.close()


def run(
    points: Sequence[Point] | None, part: slice, seed: int
) -> tuple[int, int, int, Counter[str]]:
    """Strike these points (None: all there are) on one folder.

    Returns:
        How many there were, how many struck, how many starts were struck on the way, and the
        refusals that were given.
    """
    with served() as node:
        assert node.start()
        assert node.say() == 200
        chosen = (node.counted() if points is None else list(points))[part]
        try:
            for number, point in enumerate(chosen):
                try:
                    node.strike(point, random.Random(f"{seed} {number}"))
                except AssertionError as wrong:
                    raise AssertionError(
                        f"{point}, number {number} of seed {seed}: {wrong}"
                    ) from wrong
            node.finish()
        finally:
            with contextlib.suppress(OSError):
                os.kill(node.pid, signal.SIGKILL)
        return len(chosen), node.struck, node.struck_starts, node.answers


SLICE = (
    Point("tocsin-store", "pwrite64", 3, "signal=KILL"),
    Point("tocsin-store", "fdatasync", 2, "error=EIO"),
    Point("tocsin-store", "pwrite64", 16, "error=ENOSPC"),
    Point("tocsin-store", "fdatasync", 3, "error=EIO"),
    Point("sequencer", "fsync", 2, "error=EIO"),
    Point("sequencer", "rename", 2, "signal=KILL"),
    Point("sequencer", "write", 2, "error=ENOSPC"),
    Point("sequencer", "rename", 4, "error=EROFS"),
)


def test_a_call_that_fails_anywhere_is_an_answer_and_a_restart_goes_on() -> None:
    tried, struck, _, answers = run(SLICE, slice(None), seed=3)
    assert tried == len(SLICE)
    assert struck >= tried - 1
    assert answers, "nobody was refused anything"


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_every_call_of_a_cycle_fails_in_every_way() -> None:
    begin = time.monotonic()
    cores = os.cpu_count() or 1
    with ThreadPoolExecutor(cores) as pool:
        parts = [slice(n, None, cores * EVERY) for n in range(cores)]
        done = list(pool.map(run, [None] * cores, parts, range(cores)))
    tried, struck = sum(d[0] for d in done), sum(d[1] for d in done)
    starts = sum(d[2] for d in done)
    answers: Counter[str] = Counter()
    for part in done:
        answers.update(part[3])
    seconds = time.monotonic() - begin
    print(
        f"system calls: {tried} points of a cycle, {struck} struck, and {starts} starts; "
        f"{seconds:.0f} s; {dict(answers)}"
    )
    assert struck >= slice_count(200)
    assert struck + starts >= slice_count(300)
