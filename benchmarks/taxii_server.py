"""T1–T5: the TAXII server, as processor seconds of its own process; a sequential client.

The server is `tocsin up` on a fresh folder, asked over one kept-alive connection on loopback; its
answers are looked at before they are counted. OpenTAXII 0.9.3, the peer, cannot be measured as it
is released: with one collection it answers 500 to `collections/` and to a POST of objects.

    python -m benchmarks.taxii_server [--stored 1000000]
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
from benchmarks.figures import figure, skipped

PARTY = "cert.northland.example"
TAXII = "application/taxii+json;version=2.1"
ALL = "/taxii2/api/collections/all/"
INBOX = "/taxii2/api/collections/inbox/objects/"
OBJECTS = 10_000
RUNS = 3
TICK = os.sysconf("SC_CLK_TCK")


def uuid(n: int) -> str:
    made = bytearray(hashlib.sha256(b"%d" % n).digest()[:16])
    made[6], made[8] = made[6] & 0x0F | 0x40, made[8] & 0x3F | 0x80
    text = made.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def indicator(n: int) -> dict[str, Any]:
    """One of many indicators of ordinary size, some 500 bytes."""
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--{uuid(n)}",
        "created": "2026-11-22T08:00:00.000Z",
        "modified": "2026-11-22T08:00:00.000Z",
        "name": f"Address {n} of an invented campaign",
        "description": "Seen in sign-ins that nobody made; part of a measurement.",
        "indicator_types": ["malicious-activity"],
        "pattern": f"[ipv4-addr:value = '10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}']",
        "pattern_type": "stix",
        "valid_from": "2026-11-22T08:00:00Z",
        "labels": ["measurement"],
    }


class Server:
    """A server process, asked one thing after the other."""

    def __init__(self, url: str, pid: int, authorization: str) -> None:
        where = urlsplit(url)
        self.pid = pid
        self.headers = {"accept": TAXII, "authorization": authorization}
        self._connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=120)

    def ask(self, method: str, path: str, body: bytes | None = None, status: int = 200) -> bytes:
        headers = self.headers | ({"content-type": TAXII} if body else {})
        try:
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
        except http.client.RemoteDisconnected:  # it was idle for longer than a server waits
            self._connection.close()
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
        data = answer.read()
        if answer.status != status:
            raise SystemExit(f"{method} {path}: {answer.status} {data[:300]!r}")
        return data

    def cpu(self) -> float:
        """Processor seconds of the server so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def rest(self) -> float:
        """Wait until the server does nothing more by itself; processor seconds that took."""
        began = before = self.cpu()
        while True:
            time.sleep(0.5)
            now = self.cpu()
            if now - before <= 2 / TICK:
                return now - began
            before = now

    def taken(self, work: Callable[[], object]) -> float:
        """Processor seconds of the server for some work of the client's."""
        before = self.cpu()
        work()
        return max(self.cpu() - before, 1 / TICK)


def tocsin(home: Path, *args: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tocsin", "--home", str(home), *args],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@contextmanager
def served(home: Path) -> Iterator[tuple[Server, Server]]:
    """A node with an account by token and one by password: the server as each of them sees it."""
    if not (home / "tocsin.toml").exists():
        tocsin(home, "init", "--party", PARTY)
    process = subprocess.Popen(
        [sys.executable, "-m", "tocsin", "--home", str(home), "up", "--port", "0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    running = home / "run" / "node.json"
    try:
        while not running.exists():
            if process.poll() is not None:
                raise SystemExit("the node did not start")
            time.sleep(0.05)
        url = json.loads(running.read_text())["url"]
        name = f"b{time.time_ns()}"
        add = ("taxii", "user", "add", "--write", "--tlp", "GREEN", "--json")
        token = json.loads(tocsin(home, *add, name + "t", "--bearer"))["secret"]
        password = json.loads(tocsin(home, *add, name + "p"))["secret"]
        basic = base64.b64encode(f"{name}p:{password}".encode()).decode()
        yield (
            Server(url, process.pid, f"Bearer {token}"),
            Server(url, process.pid, f"Basic {basic}"),
        )
    finally:
        process.terminate()
        process.wait(30)


def put(server: Server, first: int, count: int, path: str = INBOX) -> None:
    """POST so many indicators in hundreds; every one has to be taken."""
    for start in range(first, first + count, 100):
        many = [indicator(n) for n in range(start, min(start + 100, first + count))]
        answer = json.loads(server.ask("POST", path, orjson.dumps({"objects": many}), 202))
        if answer["success_count"] != len(many):
            raise SystemExit(f"not all were taken: {answer}")


def walk(server: Server, limit: int, root: str = ALL) -> int:
    """GET everything by pages; how many objects came."""
    count, cursor = 0, ""
    while True:
        page = orjson.loads(server.ask("GET", f"{root}objects/?limit={limit}{cursor}"))
        count += len(page["objects"])
        if not page["more"]:
            return count
        cursor = "&next=" + page["next"]


def rate(server: Server, path: Callable[[int], str], requests: int) -> float:
    """Requests per processor second of the server, median."""
    found = []
    for run in range(RUNS):

        def work(run: int = run) -> None:
            for n in range(requests):
                data = server.ask("GET", path(run * requests + n))
                if not data.startswith(b"{"):
                    raise SystemExit(f"not JSON: {data[:80]!r}")

        found.append(requests / server.taken(work))
    return statistics.median(found)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--stored", type=int, default=1_000_000, help="for T5")
    stored = parser.parse_args().stored
    skipped(
        "T1–T4", "the peer", "broken release: OpenTAXII 0.9.3 answers 500 to collections/, POST"
    )
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "north"
        with served(home) as (bearer, basic):
            took = bearer.taken(lambda: put(bearer, 0, OBJECTS))
            speed = "objects per CPU second"
            figure("T1", "POST 10,000 objects in hundreds, durable, checked", ours=OBJECTS / took,
                   goal="15x and 5,000/s", unit=speed, n=1)  # fmt: skip
            # It is done between requests: else whatever is measured next would pay for it.
            took += bearer.rest()
            figure("T1", "the same, and every word cut for the search afterwards",
                   ours=OBJECTS / took, goal="-", unit=speed, n=1)  # fmt: skip
            for limit in (1_000, 100):
                got = [bearer.taken(partial(walk, bearer, limit)) for _ in range(RUNS)]
                found = OBJECTS / statistics.median(got)
                figure("T2", f"GET 10,000 objects by pages of {limit:,}", ours=found, goal="10x",
                       unit=speed, n=RUNS)  # fmt: skip
            paths: tuple[tuple[str, Callable[[int], str], str], ...] = (
                ("by id", lambda n: f"{ALL}objects/indicator--{uuid(n % OBJECTS)}/", "20x"),
                (
                    "match[id]",
                    lambda n: f"{ALL}objects/?match[id]=indicator--{uuid(n % OBJECTS)}",
                    "20x",
                ),
                ("discovery", lambda n: "/taxii2/", "15x"),
            )
            speed = "requests per CPU second"
            for name, path, goal in paths:
                figure("T3", f"{name}, Bearer", ours=rate(bearer, path, 500), goal=goal,
                       unit=speed, n=RUNS)  # fmt: skip
            for name, path, _ in paths:
                figure("T4", f"{name}, Basic", ours=rate(basic, path, 500), goal="400x",
                       unit=speed, n=RUNS)  # fmt: skip
            small = poll(bearer)
            put(bearer, OBJECTS, max(stored - OBJECTS, 0))
            bearer.rest()
            large = poll(bearer)
        figure(
            "T5",
            f"added_after poll for the last 100, {stored:,} stored (peer: ours at 10,000)",
            ours=large * 1000,
            peer=small * 1000,
            ratio=large / small,
            goal="within 1.5x at 1,000,000",
            unit="CPU ms",
            n=RUNS,
        )


def poll(server: Server) -> float:
    """Processor seconds of one poll for the last hundred of what is held."""
    page = orjson.loads(server.ask("GET", f"{ALL}manifest/?match[id]=indicator--{uuid(9_899)}"))
    since = page["objects"][0]["date_added"]
    path = f"{ALL}objects/?limit=100&added_after={since}"
    found = []
    for _ in range(RUNS):

        def work() -> None:
            for _ in range(100):
                if len(orjson.loads(server.ask("GET", path))["objects"]) != 100:
                    raise SystemExit("a poll did not give the last hundred")

        found.append(server.taken(work) / 100)
    return statistics.median(found)


if __name__ == "__main__":
    main()
