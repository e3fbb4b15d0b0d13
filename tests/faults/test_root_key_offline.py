"""A party whose root key is in a safe: its node runs, its words are said, others join."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.node_process import tocsin
from tests.faults.test_three_nodes import NORTH, Nodes
from tests.faults.three_nodes import free_ports

# Dozens of processes, one after the other: on a machine that does much else each takes seconds.
pytestmark = pytest.mark.timeout(900)

GRID = "gridco.example"


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    found = Nodes()
    with found.stack:
        yield found


def fingerprint(home: Path) -> str:
    from tocsin.record import directory

    return directory.fingerprint((home / "root.json").read_bytes())


def test_everything_but_root_statements_is_done_without_the_root_key(
    tmp_path: Path, nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOCSIN_ROOT_KEY_FILE", raising=False)
    north, grid = tmp_path / "north", tmp_path / "grid"
    ports = free_ports(2)
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    tocsin(north, "init", "--party", NORTH, "--url", urls[0])
    safe = tmp_path / "safe.root"
    os.rename(north / "keys" / f"{NORTH}.root", safe)
    node = nodes.up(north, ports[0])
    case = json.loads(tocsin(north, "case", "open", "x", "--tlp", "CLEAR", "--json").stdout)["case"]
    file = str(tmp_path / "case.tocsin")
    tocsin(north, "export", case, "--out", file)
    assert "VERIFIED" in tocsin(north, "verify", file).stdout
    for verb in (["key", "list"], ["directory", "show"], ["log", "show"], ["party", "list"]):
        tocsin(north, *verb)
    assert tocsin(north, "doctor", code=None).returncode == 0

    # A party joins: the registrar's node keeps the answer, and says who has to sign.
    invited = tmp_path / "grid.json"
    invited.write_text(tocsin(north, "party", "invite", GRID, "--url", urls[0]).stdout)
    join = ["party", "join", str(invited), "--fingerprint", fingerprint(north), "--node"]
    waits = tocsin(grid, *join, "--url", urls[1], code=1).stdout
    assert f"{NORTH} must confirm the address {urls[1]}" in waits
    assert f"asked at {urls[1]}" in tocsin(north, "party", "confirm", GRID, "--yes").stdout
    waits = tocsin(grid, *join, code=1).stdout
    assert f"waits  {NORTH} must sign" in waits
    out = str(tmp_path / "next.json")
    tocsin(north, "directory", "propose", "--joining", GRID, "--out", out)
    named = tocsin(north, "directory", "sign", out, "--yes", code=2).stderr
    assert "--root-key FILE" in named
    assert "TOCSIN_ROOT_KEY_FILE" in named
    tocsin(north, "directory", "sign", out, "--root-key", str(safe), "--yes")
    tocsin(north, "directory", "publish", out, "--yes")
    tocsin(grid, *join, "--url", urls[1])

    # A rotation: without the key it says where to put it; with it, it is done.
    refused = tocsin(north, "key", "rotate", "--yes", code=2).stderr
    assert str(north / "keys" / f"{NORTH}.root") in refused
    assert "--root-key FILE" in refused
    tocsin(north, "key", "rotate", "--root-key", str(safe), "--yes")
    monkeypatch.setenv("TOCSIN_ROOT_KEY_FILE", str(safe))
    tocsin(north, "key", "rotate", "--hpke", "--yes")
    assert node.stop()[0] == 0
    tocsin(north, "key", "rotate", "--log", "--yes", "--number", "2")
    assert not (north / "keys" / f"{NORTH}.root").exists(), "nobody has put it back"
    assert GRID in tocsin(north, "party", "list").stdout
    told = tocsin(north, "party", "remove", GRID, "--dry-run").stdout
    assert f"- {GRID}: leaves the directory" in told
    tocsin(north, "party", "remove", GRID, "--yes")
    assert GRID not in tocsin(north, "party", "list").stdout
