"""Three real nodes that witness each other: stopped, killed, restored from a backup, forked."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.faults.node_process import PATIENCE, NodeProcess, tocsin
from tests.faults.three_nodes import federation, free_ports, url_of, witnessed_by

# Dozens of processes, one after the other: on a machine that does much else each takes seconds.
pytestmark = pytest.mark.timeout(900)

NORTH, SOUTH, EAST, WEST = (
    f"cert.{name}.example" for name in ("northland", "southmark", "eastmere", "westwater")
)


class Nodes:
    """The running nodes of one test; what still runs at its end is stopped."""

    def __init__(self) -> None:
        self.stack = ExitStack()

    def up(self, home: Path, port: int | None = None) -> NodeProcess:
        node = NodeProcess(home, "--port", str(port if port is not None else url_of(home)[17:]))
        self.stack.callback(self._end, node)
        return node

    @staticmethod
    def _end(node: NodeProcess) -> None:
        if node.process.poll() is None:
            node.kill()


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    found = Nodes()
    with found.stack:
        yield found


def eventually(what: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """What `what` gives once it gives something true; fails after so many seconds."""
    until = time.monotonic() + seconds
    while True:
        try:
            found = what()
        except (OSError, AssertionError) as wrong:
            found = None
            if time.monotonic() > until:
                raise AssertionError(f"not within {seconds} s") from wrong
        if found:
            return found
        assert time.monotonic() < until, f"not within {seconds} s"
        time.sleep(0.05)


def opened(node: NodeProcess, title: str) -> dict[str, Any]:
    """Open a case of this node's alone, so that no other log grows by it; the whole answer."""
    body = json.dumps({"title": title, "tlp": "AMBER+STRICT"}).encode()
    answer: dict[str, Any] = node.json("/cases", body=body)
    return answer


def quorum(node: NodeProcess, title: str) -> bool:
    """Say something; whether the witnesses' quorum cosigned before the answer."""
    found = opened(node, title)["statement"]["quorum"]
    assert isinstance(found, bool)
    return found


def ready(node: NodeProcess) -> None:
    """A witness has answered, so that the log takes writes."""
    eventually(lambda: node.json("/log")["halted"] is None)


def cosigned(node: NodeProcess, name: str) -> int:
    rows = {w["name"]: w for w in node.json("/log")["witnesses"]}
    return int(rows[name]["size"] or 0)


def all_cosigned(node: NodeProcess) -> dict[str, Any] | None:
    """The log once both witnesses' lines are under its newest checkpoint.

    They are heard before they are published, and what a node says by itself meanwhile takes them a
    moment too.
    """
    found: dict[str, Any] = node.json("/log")
    signed = [line.split()[1] for line in found["checkpoint"].partition("\n\n")[2].splitlines()]
    names = [f"{NORTH}/log", f"{SOUTH}/witness", f"{EAST}/witness"]
    newest = found["size"] == int(found["checkpoint"].split("\n")[1]) == found["cosigned"]
    return found if newest and sorted(signed) == sorted(names * 2) else None


def test_a_statement_is_acknowledged_with_the_quorum_the_policy_asks_for(
    tmp_path: Path, nodes: Nodes
) -> None:
    north, south, east = homes = federation(tmp_path, [NORTH, SOUTH, EAST])
    for home in homes:
        witnessed_by(home, [other for other in homes if other != home], "2")
    running = [nodes.up(home) for home in homes]
    for node in running:
        ready(node)
        assert eventually(partial(quorum, node, "all three"))
    assert eventually(partial(all_cosigned, running[0])), "both lines of everybody"

    # What is taken away says who cosigned and when, by the node's own policy.
    case = opened(running[0], "to be taken away")["case"]
    dossier = str(tmp_path / "case.tocsin")
    tocsin(north, "export", case, "--out", dossier)
    verified = tocsin(north, "verify", dossier).stdout
    assert "quorum ok  witnesses 2" in verified
    assert "cosigned by southmark at" in verified
    found = eventually(partial(all_cosigned, running[0]))

    # One witness is gone: two of two cannot be had, and the statement is logged all the same.
    running[2].kill()
    assert quorum(running[0], "one is gone") is False
    assert running[0].json("/log")["size"] == found["size"] + 1
    assert running[0].json("/log")["cosigned"] == found["size"]
    exported = tocsin(north, "export", case, "--out", dossier).stderr
    assert "the newest 1 of the log wait for a quorum" in exported
    listed = json.loads(tocsin(north, "witness", "list", "--json").stdout)
    assert {w["name"]: bool(w["error"]) for w in listed["witnesses"]} == {
        "southmark": False,
        "eastmere": True,
    }
    # The policy file is read again by the node that runs.
    tocsin(north, "witness", "quorum", "1")
    assert quorum(running[0], "one of two is enough") is True
    (north / "policy.txt").write_text("quorum of none\n")
    assert quorum(running[0], "the old policy stays in force") is True
    assert "quorum of none" in running[0].json("/log")["policy_error"]

    # kill -9 and a restart of the log itself: it asks what the witness holds, and goes on.
    witnessed_by(north, [south, east], "1")
    running[0].kill()
    running[0] = nodes.up(north)
    ready(running[0])
    assert eventually(lambda: quorum(running[0], "after kill -9"))
    running[2] = nodes.up(east)
    assert eventually(
        lambda: (
            quorum(running[0], "until the third has caught up")
            and cosigned(running[0], "eastmere") == running[0].json("/log")["size"]
        )
    )
    assert all(node.json("/log")["alarms"] == [] for node in running)
    assert all(node.json("/log")["forks"] == [] for node in running)


@pytest.mark.parametrize("lost", ["store", "store and guard", "store, and the guard is deleted"])
def test_yesterdays_backup_is_read_and_never_signed_for(
    lost: str, tmp_path: Path, nodes: Nodes
) -> None:
    north, south, east = homes = federation(tmp_path, [NORTH, SOUTH, EAST])
    for home in homes:
        witnessed_by(home, [other for other in homes if other != home], "1")
    witnesses = [nodes.up(south), nodes.up(east)]
    node = nodes.up(north)
    ready(node)
    kept = eventually(lambda: opened(node, "yesterday"))["statement"]["id"]
    assert node.stop()[0] == 0
    backup = tmp_path / "backup"
    shutil.copytree(north / "data", backup / "data")
    shutil.copy(north / "guard", backup / "guard")
    node = nodes.up(north)
    ready(node)
    assert eventually(lambda: quorum(node, "today"))
    size = node.json("/log")["size"]
    assert node.stop()[0] == 0

    shutil.rmtree(north / "data")
    shutil.copytree(backup / "data", north / "data")
    if lost == "store and guard":
        shutil.copy(backup / "guard", north / "guard")
    elif lost == "store, and the guard is deleted":
        (north / "guard").unlink()
    node = nodes.up(north)
    why = eventually(lambda: node.json("/log")["halted"])
    body = json.dumps({"title": "a fork", "tlp": "CLEAR"}).encode()
    status, answer = node.ask("/api/v1/cases", body=body)
    assert status == 503, answer
    why = eventually(lambda: node.json("/log")["halted"])
    assert str(size) in why
    assert node.ask(f"/api/v1/statements/{kept}")[0] == 200, "reads go on"
    shown = tocsin(north, "log", "show").stdout
    assert "takes no writes" in shown
    assert "takes no writes" in tocsin(north, "doctor", code=1).stdout
    assert all(w.json("/log")["forks"] == [] for w in witnesses), "nothing was signed twice"
    assert all(cosigned_of(w, NORTH) == size for w in witnesses)


def cosigned_of(node: NodeProcess, party: str) -> int:
    rows = {w["origin"]: w["size"] for w in node.json("/log")["witnessing"]}
    return int(rows[f"{party}/log"])


@pytest.mark.parametrize("longer", [0, 3], ids=["same size", "one copy longer"])
def test_a_log_that_runs_twice_is_shown_up_when_its_witnesses_meet(
    longer: int, tmp_path: Path, nodes: Nodes
) -> None:
    north, south, east, west = federation(tmp_path, [NORTH, SOUTH, EAST, WEST])
    # The operator shows each copy to another witness.
    witnessed_by(north, [south], "1")
    copy = tmp_path / "copy"
    shutil.copytree(north, copy)
    witnessed_by(copy, [east], "1")
    witness = nodes.up(south)
    first = nodes.up(north)
    ready(first)
    for n in range(1 + longer):
        assert eventually(partial(quorum, first, f"to southmark {n}"))
    size = first.json("/log")["size"]
    first.stop()
    witness.stop()
    witness = nodes.up(east)
    second = nodes.up(copy, 0)
    ready(second)
    assert eventually(lambda: quorum(second, "to eastmere"))
    assert second.json("/log")["size"] == size - longer
    second.stop()
    witness.stop()

    # Brought together: each has cosigned one history only, and no single one of them a fork.
    running = {home: nodes.up(home) for home in (south, east, west)}
    first = nodes.up(north)
    origin = f"{NORTH}/log"
    for home, node in running.items():
        fork = eventually(partial(published, node))
        assert fork["origin"] == origin
        # What eastmere cosigned, and whichever checkpoint of the other copy was met first: that
        # one runs, and grows by what the others say.
        assert size - longer in fork["sizes"]
        assert max(fork["sizes"]) <= first.json("/log")["size"]
        found = node.json("/log")
        assert [(a["kind"], a["origin"]) for a in found["alarms"]] == [("fork", origin)]
        # Published, once, open to everybody, and good for whoever checks it.
        _, envelope = node.ask(f"/api/v1/statements/{fork['statement']}")
        assert b"payload" in envelope
        says = node.json("/statements?limit=1000&kind=say")["items"]
        assert fork["statement"] in {s["id"] for s in says}
        # What another has published and sent here in time is not said again.
        own = [s for s in says if s["author"] == f"cert.{home.name}.example"]
        assert len(own) <= 1, home
        assert "two histories" in tocsin(home, "doctor", code=1).stdout
        assert "two histories" in tocsin(home, "log", "show").stdout
    # Nobody cosigns it any more, and its own node stops signing when it hears of it.
    stopped = {w["origin"]: w["stopped"] for w in running[south].json("/log")["witnessing"]}
    assert stopped[origin] is True
    assert eventually(lambda: first.json("/log")["halted"])
    assert "two histories" in first.json("/log")["halted"]


def published(node: NodeProcess) -> dict[str, Any] | None:
    """The fork that this node has published, once it has."""
    found: list[dict[str, Any]] = node.json("/log")["forks"]
    return next((fork for fork in found if fork["statement"]), None)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_and_other_logs_use_the_open_doors(tmp_path: Path, nodes: Nodes) -> None:
    north, south = federation(tmp_path, [NORTH, SOUTH])
    witnessed_by(north, [south], "1")
    node = nodes.up(north)
    witness = nodes.up(south)
    ready(node)
    assert eventually(lambda: quorum(node, "to be seen"))
    status, note = node.ask("/tlog/checkpoint", token="")
    assert (status, note.split(b"\n")[0]) == (200, f"{NORTH}/log".encode())
    size = int(note.split(b"\n")[1])
    status, tile = node.ask(f"/tlog/tile/0/000.p/{size}", token="")
    assert (status, len(tile)) == (200, 32 * size)
    status, bundle = node.ask(f"/tlog/tile/entries/000.p/{size}", token="")
    assert (status, len(bundle)) == (200, 35 * size)
    assert node.ask("/tlog/tile/0/001", token="")[0] == 404
    done = subprocess.run(
        ["curl", "-s", "-i", "--data-binary", "@-", f"{witness.url}/witness/add-checkpoint"],
        input=b"old 0\n\n" + note,
        capture_output=True,
        timeout=PATIENCE,
        check=True,
    )
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    assert b" 409 " in head.split(b"\r\n")[0]
    assert b"content-type: text/x.tlog.size" in head
    # A log may have grown since, by what it follows of the other's keys: never shrunk.
    status, newest = node.ask("/tlog/checkpoint", token="")
    assert size <= int(body) <= int(newest.split(b"\n")[1])


def test_two_parties_that_joined_over_the_network_witness_each_other(
    tmp_path: Path, nodes: Nodes
) -> None:
    ports = free_ports(2)
    north, south = tmp_path / "north", tmp_path / "south"
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    made = tocsin(north, "init", "--party", NORTH, "--url", urls[0], "--json")
    fingerprint = json.loads(made.stdout)["fingerprint"]
    gossip_every(north, 0.3)
    first = nodes.up(north, ports[0])
    invitation = tmp_path / "invitation.json"
    invitation.write_text(tocsin(north, "party", "invite", SOUTH, "--node-url", urls[1]).stdout)
    answer = ("--node", "--fingerprint", fingerprint)
    tocsin(south, "party", "join", str(invitation), *answer)
    gossip_every(south, 0.3)
    second = nodes.up(south, ports[1])
    # Both run already when they begin to witness each other.
    tocsin(north, "witness", "add", SOUTH)
    tocsin(south, "witness", "add", NORTH)
    for home, node in ((north, first), (south, second)):
        tocsin(home, "witness", "quorum", "1")
        assert eventually(partial(quorum, node, "hello"))
        assert node.json("/log")["alarms"] == []
    for node in (first, second):
        assert [w["size"] > 0 for w in node.json("/log")["witnessing"]] == [True]
    assert "lag 0" in tocsin(north, "doctor").stdout
    # What either says from now on names what it has seen of the other.
    eventually(lambda: seen_by(first, opened(first, "again")) == {f"{NORTH}/log", f"{SOUTH}/log"})


def gossip_every(home: Path, seconds: float) -> None:
    with (home / "tocsin.toml").open("a") as file:
        file.write(f"\n[log]\ngossip_s = {seconds}\n")


def seen_by(node: NodeProcess, answer: dict[str, Any]) -> set[str]:
    """The logs that a statement names in its `seen`."""
    _, envelope = node.ask(f"/api/v1/statements/{answer['statement']['id']}")
    payload = json.loads(base64.b64decode(json.loads(envelope)["payload"]))
    return {seen["origin"] for seen in payload["seen"]}


def test_the_witness_role_runs_alone(tmp_path: Path, nodes: Nodes) -> None:
    north, south = federation(tmp_path, [NORTH, SOUTH])
    witnessed_by(north, [south], "1")
    alone = WitnessProcess(south)
    nodes.stack.callback(alone.kill)
    node = nodes.up(north)
    ready(node)
    assert eventually(lambda: quorum(node, "cosigned by a witness without a console"))
    import urllib.error
    import urllib.request

    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{url_of(south)}/cases", timeout=PATIENCE)
    with refused.value:
        assert refused.value.code == 404


class WitnessProcess:
    """A running `tocsin witness run`."""

    def __init__(self, home: Path) -> None:
        import sys

        port = url_of(home)[17:]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tocsin", "--home", str(home), "witness", "run", "--port", port],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.said = ""
        for line in self.process.stdout:
            self.said += line
            if line.startswith("stop"):
                break
        assert "witness cert." in self.said

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=PATIENCE)
