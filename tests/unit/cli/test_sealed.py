"""`say --seal` and `open`, as somebody at a terminal meets them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tocsin.cli import run
from tocsin.stix.bundle import write_bundle

World = Any  # tests/unit/conftest.py
Verb = Callable[..., str]


@pytest.fixture
def tocsin(
    world: World,
    template: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Verb:
    """Verbs on one folder with the keys of several parties, as the exercise is."""
    world.node.store.close()
    for party in (world.GRID, world.SOUTH):
        keys = template[0].with_name(party) / "keys"
        shutil.copy(keys / f"{party}.signing", world.home / "keys")
        shutil.copy(keys / "hpke", world.home / "keys" / f"{party}.hpke")
    monkeypatch.chdir(tmp_path)
    Path("b.json").write_bytes(
        write_bundle(
            [world.indicator(world.GRID, description="seven\x1b[2J")],
            "bundle--0b1e0000-0000-4000-8000-000000000001",
        )
    )

    def verb(*args: str, code: int = 0) -> str:
        capsys.readouterr()
        got = run(["--home", str(world.home), "--no-input", *args])
        out, err = capsys.readouterr()
        assert got == code, (args, got, out, err)
        return out if code == 0 else err

    return verb


def sealed(world: World, tocsin: Verb) -> str:
    """Id of what gridco has sealed for southmark."""
    said = json.loads(
        tocsin(
            *("say", "b.json", "--seal", "--to", world.SOUTH, "--tlp", "amber"),
            *("--as", world.GRID, "--yes", "--json"),
        )
    )
    return str(said["statements"][0]["id"])


def test_one_seals_the_other_lists_and_opens(world: World, tocsin: Verb) -> None:
    id = sealed(world, tocsin)
    assert "nothing is sealed for you" in tocsin("open")
    [row] = json.loads(tocsin("open", "--as", world.SOUTH, "--json"))
    assert (row["id"], row["tlp"], row["withdrawn"]) == (id, "AMBER", False)
    assert id in tocsin("open", "--as", world.SOUTH)
    shown = tocsin("open", id[:8], "--as", world.SOUTH)
    assert "signature ok, key valid" in shown
    assert "seven" in shown
    assert "\x1b" not in shown
    found = json.loads(tocsin("open", id[:8], "--as", world.SOUTH, "--out", "o", "--json"))
    [item] = found["objects"]
    assert Path(item["file"]).read_bytes() == world.indicator(
        world.GRID, description="seven\x1b[2J"
    )
    assert len(list(Path("o").iterdir())) == 2
    assert "nothing of the id" in tocsin("open", id, code=1)


def test_the_log_names_it_to_its_readers_and_says_how_it_is_opened(
    world: World, tocsin: Verb
) -> None:
    id = sealed(world, tocsin)
    assert f"    sealed for {world.SOUTH}\n" in tocsin("log", "show", "--as", world.SOUTH)
    assert id not in tocsin("log", "show")
    assert f"tocsin open {id[:12]}" in tocsin("log", "show", id, "--as", world.SOUTH, code=1)
    assert "tocsin open" not in tocsin("log", "show", id, code=1)
    assert "1 sealed, by their outside" in tocsin("log", "audit")
    tocsin("withdraw", id, "--as", world.GRID, "--yes")
    assert "withdrawn" in tocsin("open", "--as", world.SOUTH)
    assert "withdrawn by its author" in tocsin("open", id, "--as", world.SOUTH)


def test_a_case_names_what_is_sealed_in_it_to_those_it_is_for(world: World, tocsin: Verb) -> None:
    case = json.loads(tocsin("case", "open", "Grid", "--to", world.GRID, "--json"))["case"]
    said = ("say", "b.json", "--seal", "--to", world.SOUTH, "--case", case[:14], "--yes")
    tocsin(*said, "--as", world.GRID)
    shown = tocsin("case", "show", case, "--as", world.GRID)
    assert f"sealed by {world.GRID}, for {world.SOUTH}" in shown
    assert "sealed by" not in tocsin("case", "show", case)
    [row] = json.loads(tocsin("open", "--case", case, "--as", world.SOUTH, "--json"))
    assert row["case"] == case


def test_what_does_not_open_is_kept_as_evidence(world: World, tocsin: Verb) -> None:
    id = sealed(world, tocsin)
    key = world.home / "keys" / f"{world.SOUTH}.hpke"
    key.unlink()
    shutil.copy(world.home / "keys" / f"{world.GRID}.hpke", key)
    told = tocsin("open", id, "--as", world.SOUTH, "--out", "o", code=3)
    assert "sealed to key" in told
    [kept] = Path("o").iterdir()
    assert kept.name in told
    assert b"vnd.tocsin.sealed" in kept.read_bytes()


def test_readers_are_named_or_nothing_is_sealed(world: World, tocsin: Verb) -> None:
    assert "sealed for whom" in tocsin("say", "b.json", "--seal", "--yes", code=2)
    tocsin("say", "b.json", "--seal", "--yes", "--to", "typo.example", code=2)
    clear = ("say", "b.json", "--seal", "--yes", "--to", world.SOUTH, "--tlp", "GREEN")
    assert "is not sealed" in tocsin(*clear, code=1)
