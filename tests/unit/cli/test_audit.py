"""`tocsin log audit` as its user meets it: one's own log, a damaged one, one that has grown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tocsin.cli import run


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
