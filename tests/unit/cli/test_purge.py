"""`tocsin purge` as a person meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.flows.test_intake import NOTE, claim, said
from tests.unit.flows.test_purge import JANE, holding

from tocsin.cli import run

World = Any  # tests/unit/conftest.py


def tocsin(world: World, capsys: pytest.CaptureFixture[str], *args: str, code: int = 0) -> str:
    capsys.readouterr()
    got = run(["--home", str(world.home), "--no-input", *args])
    out, err = capsys.readouterr()
    assert got == code, (out, err)
    return err if code else out


def test_a_purge_says_first_what_goes_and_asks(
    world: World, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    done = said(world, world.NORTH, claim(world, world.NORTH, JANE))
    world.node.store.close()
    out = tocsin(world, capsys, "purge", NOTE, "--why", "a patient", "--dry-run")
    assert f"named by {done.id}, which stays" in out
    assert f"withdraw  what your party said in {done.id}" in out
    assert "nothing was changed" in out
    assert "--yes" in tocsin(world, capsys, "purge", NOTE, "--why", "a patient", code=2)
    assert holding(world, "Jane Doe") != []
    out = tocsin(world, capsys, "purge", NOTE, "--why", "a patient", "--yes")
    assert "purged" in out
    assert holding(world, "Jane Doe") == []
    again = json.loads(tocsin(world, capsys, "purge", NOTE, "--why", "x", "--yes", "--json"))
    assert (again["withdrawn"], again["items"][0]["size"]) == ([], 0)
    out = tocsin(world, capsys, "purge", NOTE, "--why", "a mistake", "--lift", "--yes")
    assert f"{NOTE} may be said anew" in out


def test_a_purge_without_a_reason_or_of_nothing_is_refused(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.node.store.close()
    assert "--why" in tocsin(world, capsys, "purge", NOTE, "--yes", code=2)
    tocsin(world, capsys, "purge", NOTE, "--why", "x", "--yes", code=1)
