"""`tocsin key rotate` killed at any moment, and said again; on a node that runs, and on none."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.faults.node_process import NodeProcess, tocsin

from tocsin.record.statement import KEY_CHAIN
from tocsin.wiring.keys import load_signer
from tocsin.wiring.node import open_node
from tocsin.wiring.party import init

NORTH = "cert.northland.example"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("made") / "own"
    init(home, NORTH, "CERT Northland")
    return home


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "own")
    return tmp_path / "own"


def killed_after(home: Path, seconds: float, *flags: str) -> bool:
    """Start a rotation and kill it so much later; whether it was still at work."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tocsin", "--home", str(home), "key", "rotate", "--yes", *flags],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True
    return False


def how_long(home: Path, tmp_path: Path, *flags: str) -> float:
    """Seconds that a whole rotation takes on this machine, now."""
    shutil.copytree(home, tmp_path / "timed")
    before = time.monotonic()
    tocsin(tmp_path / "timed", "key", "rotate", "--yes", *flags)
    return time.monotonic() - before


def check(home: Path) -> None:
    """One chain without a gap, one key in force, and it is the one in the folder."""
    with open_node(home) as node:
        assert node.log.halted is None
        keys = node.keyring.keys_of(NORTH)
        [valid] = [k.keyid for k in keys if k.until is None]
        assert valid == load_signer(home, NORTH, "signing").keyid
        last = node.store.chain(NORTH, KEY_CHAIN)
        assert last is not None
        said = [
            k
            for kind in ("directory", "key", "revoke")
            for k in node.store.statements(node.everything(), author=NORTH, kind=kind)
        ]
        assert sorted(k.seq for k in said) == list(range(1, last.seq + 1))
        # Every key but the newest is revoked, once.
        assert sum(k.kind == "key" for k in said) == len(keys)
        assert sum(k.kind == "revoke" for k in said) == len(keys) - 1


@pytest.mark.parametrize("seed", range(6))
def test_a_rotation_that_is_killed_is_finished_by_saying_it_again(
    home: Path, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    whole = how_long(home, tmp_path)
    for _ in range(2):
        killed_after(home, whole * chance.uniform(0.4, 1.0))
        tocsin(home, "key", "rotate", "--yes")
        check(home)
    assert not list((home / "keys" / "next").iterdir())


def test_a_node_that_runs_signs_on_through_rotations_that_are_killed(
    home: Path, tmp_path: Path
) -> None:
    chance = random.Random(7)
    node = NodeProcess(home)
    try:
        for n in range(4):
            killed_after(home, chance.uniform(0.2, 1.2))
            tocsin(home, "case", "open", f"Case {n}")
        tocsin(home, "key", "rotate", "--yes")
        tocsin(home, "case", "open", "Last")
    finally:
        node.kill()
    check(home)


@pytest.mark.parametrize("seed", range(3))
def test_a_new_log_that_is_killed_is_finished_by_saying_it_again(
    home: Path, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    tocsin(home, "case", "open", "Before")
    whole = how_long(home, tmp_path, "--log")
    killed_after(home, whole * chance.uniform(0.5, 0.95), "--log")
    tocsin(home, "key", "rotate", "--log", "--yes")
    check(home)
    with open_node(home) as node:
        origin = node.log.origin
        entry = node.party_entry(NORTH)
        assert entry.nodes[0].origin == origin
        assert origin.startswith(f"{NORTH}/log/")
        [case] = [k for k in node.store.statements(node.everything()) if k.kind == "act"]
        assert case.index == 2
