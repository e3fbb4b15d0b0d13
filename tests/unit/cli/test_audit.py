"""`tocsin log audit` as its user meets it: one's own log, a damaged one, one that has grown."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tocsin.cli import run
from tocsin.wiring.node import open_node


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A party with a few statements, in a folder of its own."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "none"))
    monkeypatch.delenv("TOCSIN_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    assert run(["--home", "north", "init", "--party", "north.example"]) == 0
    for title in ("One", "Two"):
        assert run(["--home", "north", "case", "open", title]) == 0
    return tmp_path / "north"


def audit(capsys: pytest.CaptureFixture[str], *args: str, code: int) -> str:
    capsys.readouterr()
    assert run(["--home", "north", "log", "audit", *args]) == code, capsys.readouterr()
    return capsys.readouterr().out


def test_a_sound_log_is_audited_with_everything_kept(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = audit(capsys, code=0)
    assert "signed  ed25519, ml-dsa-44" in said
    assert "AUDITED" in said
    found = json.loads(audit(capsys, "--json", code=0))
    assert found["ok"]
    assert found["entries"] == found["size"] == found["kept"]["statements"]


def test_a_flipped_bit_in_a_copy_is_named_and_the_log_stays_as_it_was(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {
        p: p.read_bytes() for p in (home / "data").rglob("*") if "tile" in str(p) and p.is_file()
    }
    found = json.loads(audit(capsys, "--tamper-copy", "2", "--json", code=3))
    assert found["problems"][0]["index"] == 2
    assert before
    assert {p: p.read_bytes() for p in before} == before
    assert audit(capsys, code=0)
    assert run(["--home", "north", "log", "audit", "--tamper-copy", "99"]) == 2


def test_the_next_audit_checks_that_the_log_extends_the_last(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    audit(capsys, "--keep", "seen.txt", code=0)
    size = json.loads(audit(capsys, "--json", code=0))["size"]
    assert run(["--home", "north", "case", "open", "Three"]) == 0
    assert f"extends the checkpoint of size {size}" in audit(capsys, "--since", "seen.txt", code=0)


def test_a_changed_tile_is_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = home / "data" / "tile" / "entries" / "000.p" / "4"
    data = bytearray(bundle.read_bytes())
    data[5] ^= 1
    bundle.write_bytes(bytes(data))
    # The node itself refuses to go on with such a tile, and says which.
    assert run(["--home", "north", "log", "audit"]) != 0
    assert bundle.name in capsys.readouterr().err


def test_a_line_of_the_nodes_own_audit_that_somebody_changed_is_named(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_node(home) as node:
        for act in ("sign in", "purge", "sign out"):
            node.store.append_audit("2026-11-22T12:00:00Z", "ines", act, "-")
    assert "3 lines of who did what" in audit(capsys, code=0)
    with closing(sqlite3.connect(home / "data" / "tocsin.sqlite")) as db:
        db.execute("UPDATE audit SET actor = 'tomas' WHERE n = 2")
        db.commit()
    said = audit(capsys, code=3)
    assert "problem audit line 2" in said
    assert "AUDIT FAILS" in said
    found = json.loads(audit(capsys, "--json", code=3))
    assert (found["ok"], found["kept"]["broken_line"]) == (False, 2)
