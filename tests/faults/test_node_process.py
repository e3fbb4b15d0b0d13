"""The node as a process: killed, stopped with streams open, crowded, and started twice."""

from __future__ import annotations

import http.client
import json
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.node_process import PATIENCE, NodeProcess, tocsin


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "north"
    tocsin(folder, "init", "--party", "cert.northland.example", "--name", "CERT Northland")
    return folder


@pytest.fixture
def node(home: Path) -> Iterator[NodeProcess]:
    running = NodeProcess(home)
    yield running
    if running.process.poll() is None:
        running.stop()


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_with_twenty_streams_open_runs_the_shutdown(home: Path, sig: signal.Signals) -> None:
    node = NodeProcess(home)
    streams = [node.stream() for _ in range(20)]
    code, err = node.stop(sig)
    assert code == 0, err
    assert "Traceback" not in err
    # What shutdown owes: the address and tokens are gone, the folder is free, the log is whole.
    assert not (home / "run" / "node.json").exists()
    for s in streams:
        s.settimeout(PATIENCE)
        while s.recv(65536):
            pass
        s.close()
    tocsin(home, "log", "show")


def test_kill_9_at_any_moment_and_a_restart_finishes_what_was_pending(home: Path) -> None:
    rng = random.Random(11)
    acknowledged: list[str] = []
    for turn in range(8):
        node = NodeProcess(home)
        stopped = threading.Event()

        def talk(
            node: NodeProcess = node, stopped: threading.Event = stopped, turn: int = turn
        ) -> None:
            n = 0
            while not stopped.is_set():
                n += 1
                body = json.dumps({"title": f"case {turn}.{n}", "tlp": "GREEN"}).encode()
                try:
                    status, answer = node.ask("/api/v1/cases", body=body)
                except (OSError, http.client.HTTPException):
                    return  # killed before or in the middle of its answer: not acknowledged
                if status == 200:
                    acknowledged.append(json.loads(answer)["statement"]["id"])

        talkers = [threading.Thread(target=talk) for _ in range(3)]
        for t in talkers:
            t.start()
        # The first life may end before its first answer; the others in the middle of their answers.
        before = len(acknowledged)
        while turn and len(acknowledged) < before + 3 and any(t.is_alive() for t in talkers):
            time.sleep(0.01)
        time.sleep(rng.uniform(0.02, 0.6))
        node.kill()
        stopped.set()
        for t in talkers:
            t.join(PATIENCE)
    assert len(acknowledged) > 20, "the test must have been in the middle of something"
    node = NodeProcess(home)
    held = {s["id"] for s in pages(node)}
    assert set(acknowledged) <= held, "what was acknowledged is in the log"
    assert node.json("/log")["halted"] is None
    assert node.stop()[0] == 0


def pages(node: NodeProcess) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    after = ""
    while True:
        page = node.json(f"/statements?limit=1000{after}")["items"]
        if not page:
            return found
        found += page
        after = f"&after_index={page[-1]['index']}"


def test_a_port_that_is_taken_is_said_with_its_holder_and_a_free_one(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = tocsin(home, "up", "--port", str(port), code=1)
    assert f"port {port} on 127.0.0.1 is taken" in done.stderr
    assert re.search(r"hint: use another: tocsin --home \S+ up --port \d+", done.stderr)


def test_a_second_process_on_the_same_folder_is_refused_by_name(
    home: Path, node: NodeProcess
) -> None:
    done = tocsin(home, "up", "--port", "0", code=1)
    assert str(node.process.pid) in done.stderr
    assert node.ask("/healthz")[0] == 200


def test_every_verb_works_from_a_second_terminal_while_the_node_runs(
    home: Path, node: NodeProcess, tmp_path: Path
) -> None:
    opened = json.loads(tocsin(home, "case", "open", "Grid wiper", "--json").stdout)
    assert opened["case"] in tocsin(home, "case", "list").stdout
    report = tmp_path / "r.txt"
    report.write_text("“Eastmere attacked our grid,” said Ines Halvorsen.\n")
    assert "1 claim, " in tocsin(home, "ingest", str(report)).stdout
    link = tocsin(home, "token", "link").stdout.strip()
    assert link.startswith(node.url + "/enter/")
    assert tocsin(home, "log", "show").stdout.count("cert.northland.example") >= 3


def test_a_sign_in_link_opens_one_session_once(node: NodeProcess) -> None:
    status, page = node.ask(node.enter, token="")
    assert (status, b"<form" in page) == (200, True), "GET only shows a button"
    status, _ = node.ask(node.enter, token="")
    assert status == 200, "looking does not spend it"


def test_a_reader_who_may_not_see_gets_the_same_bytes_for_hidden_and_unknown(
    home: Path, node: NodeProcess
) -> None:
    opened = json.loads(
        tocsin(home, "case", "open", "Hidden", "--tlp", "AMBER+STRICT", "--json").stdout
    )
    statement = opened["statement"]["id"]
    for hidden, unknown in [
        (
            f"/api/v1/cases/{opened['case']}",
            "/api/v1/cases/case--00000000-0000-4000-8000-000000000000",
        ),
        (f"/api/v1/statements/{statement}", "/api/v1/statements/" + "0" * 64),
    ]:
        assert node.ask(hidden)[0] == 200, "its author reads it"
        for token in ("", "tocsin_000000000000_" + "A" * 43 + "_00000000"):
            assert node.ask(hidden, token=token) == node.ask(unknown, token=token)


def test_the_log_is_never_opened_for_writing_by_looking(home: Path, node: NodeProcess) -> None:
    tiles = sorted((home / "data").rglob("tile*"))
    before = {p: p.read_bytes() for p in tiles if p.is_file()}
    for path in ("/log", "/statements", "/cases", "/claims", "/parties"):
        node.json(path)
    assert {p: p.read_bytes() for p in before} == before


def test_a_data_folder_others_can_read_is_refused(home: Path) -> None:
    key = home / "keys" / "cert.northland.example.signing"
    key.chmod(0o644)
    done = tocsin(home, "log", "show", code=2)
    assert "chmod" in done.stderr


def test_init_twice_or_half_way_leaves_one_whole_party(tmp_path: Path) -> None:
    folder = tmp_path / "party"
    process = subprocess.Popen(
        [sys.executable, "-m", "tocsin", "--home", str(folder), "init", "--party", "a.example"]
    )
    time.sleep(0.25)
    process.kill()
    process.wait(PATIENCE)
    assert not folder.exists() or (folder / "tocsin.toml").exists()
    if not folder.exists():
        tocsin(folder, "init", "--party", "a.example")
    tocsin(folder, "log", "show")
