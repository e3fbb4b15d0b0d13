"""A party without a node keeps what its words were answered with, and no node takes it back."""

from __future__ import annotations

import json
from pathlib import Path

from tests.faults.node_process import NodeProcess, tocsin

NORTH, GRID = "cert.northland.example", "gridco.example"


def test_a_guests_proof_outlives_the_node_that_gave_it(tmp_path: Path) -> None:
    north, grid = tmp_path / "north", tmp_path / "grid"
    made = tocsin(north, "init", "--party", NORTH, "--json").stdout
    node = NodeProcess(north)
    invitation = tmp_path / "invitation.json"
    invitation.write_text(tocsin(north, "party", "invite", GRID, "--url", node.url).stdout)
    heard = json.loads(made)["fingerprint"]
    tocsin(grid, "party", "join", str(invitation), "--fingerprint", heard)
    said = json.loads(tocsin(grid, "case", "open", "Ours", "--tlp", "CLEAR", "--json").stdout)
    id = said["statement"]["id"]
    policy = tmp_path / "policy.txt"
    tocsin(north, "log", "show", "--policy-out", str(policy))
    live = tocsin(grid, "log", "prove", id).stdout
    assert node.stop()[0] == 0
    done = tocsin(grid, "log", "prove", id)
    assert str(grid / "receipts" / f"{id}.tlog-proof") in done.stderr
    assert done.stdout.splitlines()[0] == live.splitlines()[0]
    proof = tmp_path / "x.tlog-proof"
    proof.write_text(done.stdout)
    assert "VERIFIED" in tocsin(grid, "verify", str(proof), "--policy", str(policy)).stdout
    tocsin(grid, "log", "prove", "0" * 64, code=4)


def test_a_folder_that_somebody_named_is_not_filled_with_the_exercise(tmp_path: Path) -> None:
    refused = tocsin(tmp_path / "nroth", "up", "--port", "0", code=2)
    assert "init --party NAME" in refused.stderr
    assert not (tmp_path / "nroth").exists()
