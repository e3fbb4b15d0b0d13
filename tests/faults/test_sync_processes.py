"""Statements between real nodes: separate processes, HTTP on loopback, kill -9."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.faults.node_process import NodeProcess, tocsin
from tests.faults.test_three_nodes import Nodes, eventually
from tests.faults.three_nodes import federation

# Dozens of processes, one after the other: on a machine that does much else each takes seconds.
pytestmark = pytest.mark.timeout(900)

NORTH, SOUTH, EAST, WEST, MID = (
    f"cert.{name}.example"
    for name in ("northland", "southmark", "eastmere", "westwater", "midfield")
)


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    found = Nodes()
    with found.stack:
        yield found


def opened(node: NodeProcess, title: str, **more: Any) -> str:
    """Open a case; its id."""
    body = json.dumps({"title": title, "tlp": "AMBER+STRICT", **more}).encode()
    return str(node.json("/cases", body=body)["case"])


def cases(node: NodeProcess) -> set[str]:
    return {row["id"] for row in node.json("/cases")["items"]}


def test_what_one_party_says_another_reads_at_its_own_node(tmp_path: Path, nodes: Nodes) -> None:
    homes = federation(tmp_path, [NORTH, SOUTH, EAST])
    north, south, east = (nodes.up(home) for home in homes)
    case = opened(north, "for the south alone", to=[SOUTH])
    eventually(lambda: case in cases(south))
    later = opened(north, "for everybody", tlp="CLEAR")
    eventually(lambda: later in cases(east))
    assert case not in cases(east)


def held(node: NodeProcess, id: str) -> bool:
    return node.ask(f"/api/v1/statements/{id}")[0] == 200


def said(node: NodeProcess, n: int, *to: str) -> str:
    """An object of its own, said to these; the statement's id."""
    thing = {
        "type": "tool",
        "spec_version": "2.1",
        "id": f"tool--00000000-0000-4000-8000-{n:012d}",
        "created": "2026-11-22T08:00:00.000Z",
        "modified": "2026-11-22T08:00:00.000Z",
        "name": f"thing {n}",
    }
    bundle = {
        "type": "bundle",
        "id": f"bundle--00000000-0000-4000-8000-{n:012d}",
        "objects": [thing],
    }
    query = f"tlp=AMBER%2BSTRICT&to={','.join(to)}"
    status, body = node.ask(f"/api/v1/say?{query}", body=json.dumps(bundle).encode())
    assert status < 300, body
    return str(json.loads(body)["statements"][0]["id"])


def test_five_nodes_exchange_are_killed_and_answer_a_withdrawal(
    tmp_path: Path, nodes: Nodes
) -> None:
    homes = federation(tmp_path, [NORTH, SOUTH, EAST, WEST, MID])
    running = [nodes.up(home) for home in homes]
    north = running[0]
    everybody = (SOUTH, EAST, WEST, MID)
    first = said(north, 1, *everybody)
    for node in running[1:]:
        eventually(partial(held, node, first))
    running[4].kill()
    later = [said(north, n, *everybody) for n in range(2, 6)]
    eventually(lambda: all(held(node, id) for node in running[1:4] for id in later))
    running[4] = nodes.up(homes[4])
    eventually(lambda: all(held(running[4], id) for id in later))

    done = tocsin(homes[0], "withdraw", first, "--yes")
    assert done.returncode == 0

    def answered() -> bool:
        found = json.loads(tocsin(homes[0], "holders", first, "--json").stdout)["items"]
        return {h["party"]: h["state"] for h in found} == dict.fromkeys(everybody, "removed")

    eventually(answered)
    listed = tocsin(homes[0], "holders", first).stdout
    assert all(party in listed for party in everybody)
    assert tocsin(homes[1], "holders", first, code=1).stdout == "", "to its author alone"
    peers = json.loads(tocsin(homes[0], "peers", "--json").stdout)
    assert {p["party"] for p in peers["items"]} == set(everybody)
    assert eventually(
        lambda: (
            {
                (p["lag"], p["error"], p["quarantined"])
                for p in json.loads(tocsin(homes[0], "peers", "--json").stdout)["items"]
            }
            == {(0, "", 0)}
        )
    )
    assert "LAG" in tocsin(homes[0], "peers").stdout


def test_a_node_that_nobody_reaches_asks_and_brings(tmp_path: Path, nodes: Nodes) -> None:
    homes = federation(tmp_path, [NORTH, SOUTH], unlisted=[SOUTH])
    north, south = (nodes.up(home) for home in homes)
    mine = said(south, 1, NORTH)
    theirs = said(north, 2, SOUTH)
    eventually(lambda: held(north, mine))
    eventually(lambda: held(south, theirs))
    assert "has no address" in tocsin(homes[0], "peers").stdout
