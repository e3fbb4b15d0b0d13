"""Kill -9 of the node, of its sessions and of the whole database server: nothing acknowledged is
lost, nothing is half there, and the node goes on by itself when the server is back.
"""

from __future__ import annotations

import http.client
import json
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sized
from pathlib import Path
from subprocess import PIPE, Popen

import psycopg
import pytest
from tests.faults.node_process import PATIENCE, NodeProcess, tocsin
from tests.faults.test_node_process import pages
from tests.faults.test_store_kill import ROOT, check, finish, pair, rest
from tests.long_runs import slice_of
from tests.postgres_server import NoServer, Server
from tests.unit.fakes import EVERYBODY, Author, enter, seen_by

from tocsin.errors import StoreLostError
from tocsin.store.postgres import PostgresStore

NORTHLAND = "cert.northland.example"
CUT_OFF = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server of this file's own, which it may kill."""
    try:
        server = Server(own=True)
    except NoServer as wrong:
        pytest.skip(str(wrong))
    yield server
    server.close()


def live(argv: list[str]) -> None:
    """Keep and log without end, going on wherever the last life, or the last server, ended."""
    store = PostgresStore.open(argv[1], Path(argv[2]))
    author = Author(NORTHLAND)
    print("up", flush=True)
    while True:
        try:
            chain = store.chain(NORTHLAND, "")
            seq = chain.seq if chain else 0
            author.goes_on(chain)
            said = author.say(*pair(seq + 1))
            store.keep_pending(said, pair(seq + 1), said.audience)
            print("kept", said.id, flush=True)
            waiting = [p.id for p in store.pending()]
            if len(waiting) >= 3:
                enter(store, *waiting)
                for id in waiting:
                    print("logged", id, flush=True)
        except StoreLostError:
            time.sleep(0.02)


def child(url: str, folder: Path) -> Popen[str]:
    code = f"from {__name__} import *; live(sys.argv)"
    return Popen(
        [sys.executable, "-c", code, url, str(folder)],
        cwd=ROOT,
        stdout=PIPE,
        stderr=PIPE,
        text=True,
    )


SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in slice_of(range(1, 7)))]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_kill_of_anything_at_any_moment_loses_nothing_acknowledged(
    tmp_path: Path, server: Server, seed: int
) -> None:
    """Lives of one store: the server is killed, or a session, or the node; all is well after."""
    rng = random.Random(seed)
    name = server.take()
    url = server.url(name)
    said: dict[str, set[str]] = {"kept": set(), "logged": set()}
    for life in range(3):
        with child(url, tmp_path) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "up\n", process.communicate()
            begun = [process.stdout.readline() for _ in range(10)]
            time.sleep(rng.random() * 0.4)
            if life != 2:
                if rng.random() < 0.7:
                    server.kill()
                    server.start()
                else:
                    with psycopg.connect(url, autocommit=True) as db:
                        db.execute(CUT_OFF)
                time.sleep(0.5 + rng.random() * 0.4)  # it finds its way back meanwhile
            process.kill()
            out, err = rest(process)
        assert process.returncode == -signal.SIGKILL, err
        for line in (*begun, *out.splitlines()):
            word, _, id = line.rstrip().partition(" ")
            if len(id) == 64:  # the kill may cut a line off
                said[word].add(id)
        store = PostgresStore.open(url, tmp_path)
        check(store)
        held = {k.id for k in store.statements(seen_by(store, EVERYBODY))}
        assert held >= said["logged"]
        assert held | {p.id for p in store.pending()} >= said["kept"]
        store.close()
    assert len(said["kept"]) > 10
    store = PostgresStore.open(url, tmp_path)
    finish(store)
    store.close()
    server.give_back(name)


def test_a_node_whose_server_dies_refuses_and_goes_on_by_itself(
    tmp_path: Path, server: Server, request: pytest.FixtureRequest
) -> None:
    home, name = tmp_path / "north", server.take()
    tocsin(home, "init", "--party", NORTHLAND, "--store", server.url(name))
    node = NodeProcess(home)
    request.addfinalizer(node.process.kill)
    acknowledged: list[str] = []
    refused: list[tuple[int, bytes]] = []
    stopped = threading.Event()

    def talk(who: int) -> None:
        n = 0
        while not stopped.is_set():
            n += 1
            body = json.dumps({"title": f"case {who}.{n}", "tlp": "GREEN"}).encode()
            try:
                status, answer = node.ask("/api/v1/cases", body=body)
            except (OSError, http.client.HTTPException):
                return
            if status == 200:
                acknowledged.append(json.loads(answer)["statement"]["id"])
            else:
                if status != 429:  # asked for patience: it is up, and three talkers are quick
                    refused.append((status, answer[:300]))
                time.sleep(0.1)

    talkers = [threading.Thread(target=talk, args=(who,)) for who in range(3)]
    for t in talkers:
        t.start()
    for _ in range(3):
        time.sleep(0.5)
        server.kill()
        _until_longer(refused, 1, refused)
        server.start()
        # It goes on without a restart.
        _until_longer(acknowledged, 3, refused)
    node.kill()
    stopped.set()
    for t in talkers:
        t.join(PATIENCE)
    assert {status for status, _ in refused} == {503}
    node = NodeProcess(home)
    held = {s["id"] for s in pages(node)}
    assert set(acknowledged) <= held
    assert node.json("/log")["halted"] is None
    code, err = node.stop()
    assert code == 0
    assert "Traceback" not in err
    assert "AUDITED" in tocsin(home, "log", "audit").stdout
    server.give_back(name)


def _until_longer(answers: Sized, by: int, refused: list[tuple[int, bytes]]) -> None:
    wanted = len(answers) + by
    until = time.monotonic() + PATIENCE
    while len(answers) < wanted:
        assert time.monotonic() < until, refused[-3:]
        time.sleep(0.05)


def test_a_database_restored_from_a_backup_is_found_by_the_head_guard(
    tmp_path: Path, server: Server
) -> None:
    """The guard is a file on this machine; a dump of the database does not bring it back."""
    home, name = tmp_path / "north", server.take()
    tocsin(home, "init", "--party", NORTHLAND, "--store", server.url(name))
    with psycopg.connect(server.url("postgres"), autocommit=True) as db:
        db.execute(f"CREATE DATABASE {name}_old TEMPLATE {name}")
    tocsin(home, "case", "open", "Grid wiper")
    with psycopg.connect(server.url("postgres"), autocommit=True) as db:
        db.execute(f"ALTER DATABASE {name} RENAME TO {name}_new")
        db.execute(f"ALTER DATABASE {name}_old RENAME TO {name}")
    refused = tocsin(home, "case", "open", "Another", code=None)
    assert refused.returncode != 0
    assert "has shown size" in refused.stderr, refused.stderr
    assert "takes no writes" in tocsin(home, "doctor", code=None).stdout
    with psycopg.connect(server.url("postgres"), autocommit=True) as db:
        db.execute(f"DROP DATABASE {name}")
        db.execute(f"ALTER DATABASE {name}_new RENAME TO {name}")
    assert "Grid wiper" in tocsin(home, "case", "list").stdout
    server.give_back(name)
