"""Statements between real nodes: separate processes, HTTP on loopback, kill -9."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.faults.node_process import NodeProcess
from tests.faults.test_three_nodes import Nodes, eventually
from tests.faults.three_nodes import federation

NORTH, SOUTH, EAST = (f"cert.{name}.example" for name in ("northland", "southmark", "eastmere"))


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
