"""W5–W9 and Q0: how long a user waits, and how much a node takes. Whole processes, wall time.

Every time is beside a floor taken in the same run: what this Python needs to do nothing.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from benchmarks.figures import corpus, figure

ROOT = Path(__file__).resolve().parent.parent
TOCSIN = [sys.executable, "-m", "tocsin"]


def seconds(command: list[str], cwd: str, runs: int = 7) -> float:
    """Median wall seconds of a command, from a start without any state of ours."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        subprocess.run(command, cwd=cwd, check=False, capture_output=True, env=environment(cwd))
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def environment(home: str) -> dict[str, str]:
    """An environment in which tocsin finds nothing of its user's."""
    keep = {k: v for k, v in os.environ.items() if not k.startswith("TOCSIN_")}
    return {**keep, "HOME": home, "XDG_DATA_HOME": home}


class Up:
    """`tocsin up` in an empty place: the exercise, on a free port."""

    def __init__(self, home: str, command: list[str] | None = None) -> None:
        self.start = time.perf_counter()
        self.process = subprocess.Popen(
            command or [*TOCSIN, "up", "--port", "0"],
            cwd=home,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(home),
            start_new_session=True,
        )
        assert self.process.stdout is not None
        self.url = ""
        for line in self.process.stdout:
            found = re.search(r"(http://127\.0\.0\.1:\d+)(/enter/\S+)", line)
            if found:
                self.url, self.enter = found[1], found[2]
            if line.startswith("stop"):
                break

    def page(self) -> float:
        """Seconds from the start to the first page in full."""
        urllib.request.urlopen(self.url + self.enter).read()
        return time.perf_counter() - self.start

    def memory(self) -> int:
        """Resident bytes of the process and everything under it."""
        pids = [self.process.pid]
        for pid in pids:
            children = Path(f"/proc/{pid}/task/{pid}/children")
            pids += [int(c) for c in children.read_text().split()] if children.exists() else []
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
        return pages * os.sysconf("SC_PAGE_SIZE")

    def token(self, home: str) -> str:
        found = list(Path(home).rglob("run/node.json"))
        tokens: dict[str, str] = json.loads(found[0].read_text())["tokens"]
        return next(iter(tokens.values()))

    def streams(self, token: str, count: int) -> list[socket.socket]:
        """Open event streams and leave them open."""
        host, port = self.url.removeprefix("http://").split(":")
        opened = []
        for _ in range(count):
            s = socket.create_connection((host, int(port)), timeout=10)
            s.sendall(
                f"GET /live HTTP/1.1\r\nHost: {host}:{port}\r\n"
                f"Authorization: Bearer {token}\r\n\r\n".encode()
            )
            assert b" 200 " in s.recv(200)
            opened.append(s)
        return opened

    def stop(self) -> float:
        """Seconds from Ctrl-C to the end of the process."""
        start = time.perf_counter()
        # As a terminal does: to the whole group, `make` and what it runs.
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(60)
        return time.perf_counter() - start


def fresh(measure: Callable[[str], None]) -> None:
    """Run with an empty home."""
    with tempfile.TemporaryDirectory() as home:
        measure(home)


def help_text(home: str) -> None:
    """W5."""
    nothing = seconds([sys.executable, "-c", "pass"], home)
    ours = seconds([*TOCSIN, "--help"], home)
    figure(
        "W5",
        "tocsin --help",
        ours=ours,
        peer=nothing,
        goal="<= 0.25 s and <= 6x doing nothing",
        unit="s",
        n=7,
        packages=("click",),
    )


def ingest(home: str) -> None:
    """Q0: the article, cold."""
    article = corpus("Q0", "ingest the article, cold", "claims/article.txt")
    if article is None:
        return
    nothing = seconds([sys.executable, "-c", "pass"], home)
    command = [*TOCSIN, "ingest", str(article), "--published", "2023-07-19", "--json"]
    figure(
        "Q0",
        "ingest the article from a cold start",
        ours=seconds(command, home),
        peer=nothing,
        goal="<= 1 s",
        unit="s",
        n=7,
    )


def running(home: str) -> None:
    """W6 (second half), W7, W9."""
    up = Up(home)
    first = up.page()
    figure(
        "W6b",
        "tocsin up in an empty place to the first page",
        ours=first,
        goal="<= 3 s",
        unit="s",
        n=1,
    )
    time.sleep(2)
    figure(
        "W7",
        "resident memory, exercise loaded, idle",
        ours=up.memory() / 2**20,
        goal="<= 300 MB",
        unit="MiB",
        n=1,
    )
    streams = up.streams(up.token(home), 20)
    figure(
        "W9", "Ctrl-C to the end with 20 open streams", ours=up.stop(), goal="<= 4 s", unit="s", n=1
    )
    for s in streams:
        s.close()


def clone(home: str) -> None:
    """W6: from `make up` in a fresh clone, packages cached, to the first page."""
    if not (ROOT / ".git").exists():
        return
    target = Path(home) / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(target)], check=True)
    up = Up(home, ["make", "-C", str(target), "up", "PORT=0"])
    figure(
        "W6",
        "make up in a fresh clone, warm package cache, to the first page",
        ours=up.page(),
        goal="<= 60 s",
        unit="s",
        n=1,
    )
    up.stop()


if __name__ == "__main__":
    for part in (help_text, ingest, running, clone):
        fresh(part)
