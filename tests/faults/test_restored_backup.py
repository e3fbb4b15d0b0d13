"""A node among others whose backup is restored: the printed remedies alone lead out."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from tests.faults.node_process import NodeProcess, tocsin
from tests.faults.test_three_nodes import (
    EAST,
    NORTH,
    SOUTH,
    Nodes,
    eventually,
    opened,
    quorum,
    ready,
)
from tests.faults.three_nodes import federation, witnessed_by

# Dozens of processes, one after the other: on a machine that does much else each takes seconds.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    found = Nodes()
    with found.stack:
        yield found


def publish(home: Path, *change: str) -> None:
    file = str(home.parent / "next.json")
    tocsin(home, "directory", "propose", *change, "--out", file)
    tocsin(home, "directory", "sign", file, "--yes")
    tocsin(home, "directory", "publish", file, "--yes")


def lists(node: NodeProcess, origin: str) -> bool:
    [entry] = [p for p in node.json("/parties")["items"] if p["id"] == NORTH]
    return bool(entry["nodes"][0]["origin"] == origin)


def is_at(node: NodeProcess, version: int) -> bool:
    return bool(node.json("/parties")["version"] == version)


def new_log(home: Path, north: NodeProcess, nodes: Nodes, others: list[NodeProcess]) -> NodeProcess:
    """`key rotate --log`, and everybody has heard."""
    assert north.stop()[0] == 0
    tocsin(home, "key", "rotate", "--log", "--yes")
    north = nodes.up(home)
    [origin] = {north.json("/log")["origin"]}
    for other in others:
        eventually(partial(lists, other, origin))
    assert eventually(partial(quorum, north, "said in the new log"))
    return north


def remedies(home: Path) -> list[list[str]]:
    """The verbs that `doctor` names for what is wrong here, as one types them."""
    shown = tocsin(home, "doctor", code=None).stdout
    found = re.findall(r"remedy: .*?tocsin (key rotate(?: --\w+)?|directory fetch)", shown)
    return [verb.split() for verb in dict.fromkeys(found)]


@pytest.mark.parametrize("restored", ["the whole folder", "the store alone"])
@pytest.mark.parametrize("logs", [1, 2])
def test_after_a_restored_backup_the_printed_remedies_lead_out(
    restored: str, logs: int, tmp_path: Path, nodes: Nodes
) -> None:
    home, *rest = homes = federation(tmp_path, [NORTH, SOUTH, EAST])
    for one in homes:
        witnessed_by(one, [other for other in homes if other != one], "2")
    others = [nodes.up(one) for one in rest]
    north = nodes.up(home)
    for node in (north, *others):
        ready(node)
    # Before its witnesses have had their moment to answer it is neither halted nor open.
    case = eventually(lambda: opened(north, "before the backup"))["case"]
    dossier = str(tmp_path / "old.tocsin")
    tocsin(home, "export", case, "--out", dossier)
    assert north.stop()[0] == 0
    shutil.copytree(home, tmp_path / "backup")

    # What the backup will not know: other keys, a directory version, perhaps another log.
    north = nodes.up(home)
    ready(north)
    eventually(lambda: opened(north, "before the rotation"))
    tocsin(home, "key", "rotate", "--yes")
    publish(home, "--name", "Northland again")
    for other in others:
        eventually(partial(is_at, other, 2))
    if logs == 2:
        north = new_log(home, north, nodes, others)
    used = {f"{NORTH}/log", north.json("/log")["origin"]}
    assert eventually(partial(quorum, north, "after the backup"))
    assert north.stop()[0] == 0
    lost = home if restored == "the whole folder" else home / "data"
    shutil.rmtree(lost)
    shutil.copytree(tmp_path / "backup" / lost.relative_to(home), lost)

    # Nothing is signed for the old store, and it says what to do.
    north = nodes.up(home)
    eventually(lambda: north.json("/log")["halted"])
    status, _ = north.ask("/api/v1/cases", body=b'{"title": "no", "tlp": "CLEAR"}')
    assert status in (503, 403), "the log takes nothing, or knows no such key any more"
    assert ["key", "rotate", "--log"] in remedies(home)
    assert north.stop()[0] == 0
    tocsin(home, "key", "rotate", "--log", "--yes")
    for verb in remedies(home):
        tocsin(home, *verb, "--yes")
    north = nodes.up(home)
    origin = north.json("/log")["origin"]
    assert origin not in used, "no origin is used twice"
    assert eventually(partial(quorum, north, "it goes on"))
    for other in others:
        eventually(partial(lists, other, origin))
        assert other.json("/log")["forks"] == []
    assert north.json("/parties")["version"] >= 3
    assert remedies(home) == []
    # What was taken away before is checked by the node's own policy as ever.
    assert "VERIFIED" in tocsin(home, "verify", dossier).stdout


def test_where_nobody_answers_a_new_log_is_numbered_by_hand(tmp_path: Path, nodes: Nodes) -> None:
    home, south = federation(tmp_path, [NORTH, SOUTH])
    refused = tocsin(home, "key", "rotate", "--log", "--yes", code=4)
    assert "--number N" in refused.stderr
    assert not (home / "old").exists(), "nothing was begun"
    done = tocsin(home, "key", "rotate", "--log", "--number", "7", "--yes")
    assert f"new  {NORTH}/log/7" in done.stdout
    assert nodes.up(home).json("/log")["origin"] == f"{NORTH}/log/7"
    used = tocsin(south, "key", "rotate", "--log", "--number", "1", "--yes", code=2)
    assert "--number" in used.stderr


def test_what_nobody_else_shows_is_brought_again_as_it_was_signed(tmp_path: Path) -> None:
    home = tmp_path / "own"
    tocsin(home, "init", "--party", NORTH)
    shutil.copytree(home / "data", tmp_path / "backup")
    tocsin(home, "key", "rotate", "--yes")
    before = tocsin(home, "key", "list", "--json").stdout
    shutil.rmtree(home / "data")
    shutil.copytree(tmp_path / "backup", home / "data")
    assert "number 4 was logged" in tocsin(home, "key", "rotate", "--yes", code=3).stderr
    tocsin(home, "key", "rotate", "--log", "--yes")
    keys = {r["id"]: r["reason"] for r in _signing(tocsin(home, "key", "list", "--json").stdout)}
    assert keys == {r["id"]: r["reason"] for r in _signing(before)}


def _signing(shown: str) -> list[dict[str, str]]:
    import json

    return [row for row in json.loads(shown)["items"] if row["role"] == "signing"]
