"""Every verb that lists something fits a terminal of 80 columns, over the exercise."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path

import pytest

from tocsin.cli import run, terminal

CASE = "case--0fa7d7d1-3e4b-50e5-8925-a1cf27ed0b25"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The exercise, and a dossier and a sheet of its case."""
    folder = tmp_path_factory.mktemp("tables")
    home = folder / "home"
    with chdir(folder):
        assert run(["--home", str(home), "demo", "reset"]) == 0
        for form, name in (("dossier", "case.tocsin"), ("sheet", "case.html")):
            export = ["export", CASE, "--as", form, "--out", name]
            assert run(["--home", str(home), *export]) == 0
        yield home


@pytest.fixture
def shown(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., list[str]]:
    """Runs a verb as on a terminal of 80 columns; gives the lines of stdout."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(home.parent)

    def go(*words: str) -> list[str]:
        capsys.readouterr()
        assert run(["--home", str(home), *words]) == 0, capsys.readouterr().err
        return capsys.readouterr().out.splitlines()

    return go


@pytest.mark.parametrize(
    "words",
    [
        "case list", f"case show {CASE}", "claims", "log show", "log audit", "advisory list",
        "party list", "directory show", "key list", "witness list", "accept", "peers",
        "taxii user list", "verify case.tocsin", "verify case.html",
        "verify case.tocsin --verbose", "sweep --explain home/samples",
        "ingest --no-keep home/samples/report.txt",
    ],
)  # fmt: skip
def test_a_table_is_no_wider_than_80_columns(shown: Callable[..., list[str]], words: str) -> None:
    # A sentence with a pattern in it is no table: the terminal breaks it.
    lines = [line for line in shown(*words.split()) if not line.startswith("left out: ")]
    assert lines
    assert [line for line in lines if terminal.cells(line) > 80] == []


def test_a_hit_says_its_place_whole_below_its_value(shown: Callable[..., list[str]]) -> None:
    lines = shown("sweep", "home/samples/gateway.log")
    hits = [
        json.loads(line)
        for line in shown("sweep", "home/samples/gateway.log", "--jsonl")
        if '"path"' in line
    ]
    table = lines[: lines.index("")]
    assert max(map(terminal.cells, table)) <= 80
    for hit in hits:
        if "line" in hit:
            assert any(f"where {hit['path']}:{hit['line']}" in line for line in table), hit


def test_a_short_verdict_counts_what_the_long_one_lists(shown: Callable[..., list[str]]) -> None:
    short, long = shown("verify", "case.tocsin"), shown("verify", "case.tocsin", "--verbose")
    rows = [line for line in long if line.lstrip().startswith("statement ")]
    assert (
        f"{len(rows)} statements: signature, key and place in the log ok for {len(rows)}" in short
    )
    assert len(short) < len(long) / 3
    # What is to be compared with the authors is whole in both.
    heads = [line for line in long if line.startswith("    head ")]
    assert heads
    assert [line for line in short if line.startswith("    head ")] == heads


def test_a_case_shows_what_was_said_in_it_and_its_statements_by_their_first_characters(
    shown: Callable[..., list[str]],
) -> None:
    lines = shown("case", "show", CASE)
    at = next(i for i, line in enumerate(lines) if line.startswith("TIME") and "SAID IN" in line)
    said = json.loads("\n".join(shown("case", "show", CASE, "--json")))["said"]
    assert len(said) > 20
    assert [line.split()[-1] for line in lines[at + 1 : at + 21]] == [
        one["id"][:16] for one in said[-20:]
    ]
    assert f"the last 20 of {len(said)} statements" in "\n".join(lines)
    # Anybody's, not one's own alone.
    other = next(one["id"] for one in said if one["author"] != "cert.northland.example")
    assert shown("log", "show", other[:16]) == shown("log", "show", other)
