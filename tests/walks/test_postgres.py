"""The exercise kept in a PostgreSQL database: shown, audited, taken away, verified, removed."""

from __future__ import annotations

from pathlib import Path

import psycopg
from tests.faults.node_process import NodeProcess, tocsin

from tocsin.wiring.exercise import load_exercise


def test_the_exercise_lives_in_a_database_and_leaves_it(tmp_path: Path, postgres: str) -> None:
    home = tmp_path / "data" / "tocsin" / "exercise"
    load_exercise(home, store=postgres)
    node = NodeProcess(home, "--store", postgres)
    case = node.json("/cases")["items"][0]["id"]
    sizes = [node.json("/log")["size"]]
    assert "opened" in tocsin(home, "case", "open", "Second").stdout
    assert node.stop()[0] == 0
    assert not (home / "data" / "tocsin.sqlite").exists()
    node = NodeProcess(home)  # the address is in tocsin.toml now
    sizes.append(node.json("/log")["size"])
    assert sizes[1] == sizes[0] + 1
    assert node.stop()[0] == 0
    assert "AUDITED" in tocsin(home, "log", "audit").stdout
    dossier = tmp_path / "case.tocsin"
    tocsin(home, "export", case, "--out", str(dossier))
    assert "VERIFIED" in tocsin(home, "verify", str(dossier)).stdout
    assert "PostgreSQL" in tocsin(home, "doctor", code=None).stdout
    other = tocsin(tmp_path / "b", "init", "--party", "b.example", "--store", postgres, code=None)
    assert other.returncode != 0
    assert "empty database" in other.stderr
    moved = tocsin(home, "up", "--store", postgres + "&connect_timeout=9", code=None)
    assert moved.returncode != 0
    assert "chosen when the party is made" in moved.stderr
    tocsin(home, "demo", "reset", "--no-load", "--yes")
    with psycopg.connect(postgres) as db:
        assert db.execute("SELECT to_regnamespace('tocsin')").fetchone() == (None,)
