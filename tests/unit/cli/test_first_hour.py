"""What a newcomer types in the first hour: too little, too short, once more."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tocsin.cli import main, run

REPORT = """HARWICK, 19 November 2026 – "We were hit by ransomware," said Maria Oduya of the port.

Indicators: 45.77.12[.]9 and CVE-2024-21887
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A party made by `tocsin init`, in a folder of its own."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "none"))
    monkeypatch.delenv("TOCSIN_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    assert run(["--home", "north", "init", "--party", "north.example"]) == 0
    (tmp_path / "report.txt").write_text(REPORT, "utf-8")
    return tmp_path / "north"


def tocsin(capsys: pytest.CaptureFixture[str], *args: str, code: int = 0) -> str:
    """Everything a verb on this party prints."""
    capsys.readouterr()
    assert run(["--home", "north", *args]) == code, (args, capsys.readouterr())
    printed = capsys.readouterr()
    return printed.out + printed.err


@pytest.mark.parametrize("args", [[], ["case"], ["party"]])
def test_a_verb_alone_lists_what_there_is_as_lines(
    args: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(args) == 2
    printed = capsys.readouterr()
    assert printed.out + printed.err != ""
    assert r"\u{A}" not in printed.err
    assert "error" not in printed.err
    assert "\n  list" in printed.err or "\n  case" in printed.err


def test_what_comes_next_is_for_the_same_party(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    opened = tocsin(capsys, "case", "open", "One")
    assert "next  tocsin --home north case invite case--" in opened


def test_a_case_is_found_by_its_first_characters(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    opened = tocsin(capsys, "case", "open", "One")
    case = opened.split()[1]
    for given in (case, case[:12], case.removeprefix("case--")[:8]):
        assert "One  stage OPEN" in tocsin(capsys, "case", "show", given)
    tocsin(capsys, "case", "open", "Two")
    assert "fits 2 of those you may see" in tocsin(capsys, "case", "show", "case--", code=2)
    tocsin(capsys, "case", "stage", case[:14], "active")
    assert "stage ACTIVE" in tocsin(capsys, "case", "show", case)


def test_whoever_is_not_in_the_directory_is_named(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = tocsin(capsys, "case", "open", "One").split()[1]
    refused = tocsin(capsys, "case", "invite", case, "gridco.example", code=2)
    assert "gridco.example is not in the directory" in refused


def test_all_indicators_are_said_but_those_that_no_object_stands_for(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("report.txt").write_text(REPORT + "Techniques: T1059.001, T1566.001\n", "utf-8")
    kept = tocsin(capsys, "ingest", "report.txt").partition("as report ")[2].split(";")[0]
    said = tocsin(capsys, "accept", "--report", kept, "--all", "--indicators", "--yes")
    assert "said 2 drafts\n" in said  # a CVE is a vulnerability
    assert "left open: 2 drafts STIX has no object for: 2 attack-id" in said
    assert "no drafts of a report dead" in tocsin(capsys, "accept", "--report", "dead", code=1)


def test_a_number_that_fits_two_reports_names_both(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = tocsin(capsys, "ingest", "report.txt").partition("as report ")[2].split(";")[0]
    Path("other.txt").write_text(REPORT + "\nMore.\n", "utf-8")
    second = tocsin(capsys, "ingest", "other.txt").partition("as report ")[2].split(";")[0]
    refused = tocsin(capsys, "accept", "1", code=2)
    assert f"{first}.1" in refused
    assert f"{second}.1" in refused


def test_a_party_that_joined_by_file_is_told_how_to_go_on(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = tocsin(capsys, "party", "invite", "Grid Co", code=2)
    assert "'Grid Co' is not a party's name" in refused
    made = tocsin(capsys, "party", "invite", "gridco.example")
    Path("invitation.json").write_text(made.splitlines()[0], "utf-8")
    fingerprint = next(
        line.split()[1]
        for line in tocsin(capsys, "log", "show").splitlines()
        if line.startswith("fingerprint")
    )
    join = ["party", "join", "invitation.json", "--fingerprint", fingerprint]
    assert run(["--home", "gridco", *join, "--out", "answer.json"]) == 0
    assert "no answer" in tocsin(capsys, "party", "admit", "invitation.json", code=2)
    assert "TOCSIN_TOKEN" in tocsin(capsys, "party", "admit", "answer.json")
    # A reply that was lost can be had again; by nobody who has not the answer itself.
    assert "TOCSIN_TOKEN" in tocsin(capsys, "party", "admit", "answer.json")
    forged = json.loads(Path("answer.json").read_text("utf-8")) | {"secret": ""}
    Path("forged.json").write_text(json.dumps(forged), "utf-8")
    assert "used up" in tocsin(capsys, "party", "admit", "forged.json", code=1)
    assert run(["--home", "gridco", "case", "list"]) == 2
    told = capsys.readouterr().err
    assert "gridco.example joined another party's node" in told
    assert "TOCSIN_TOKEN" in told
    assert run(["--home", "gridco", "doctor"]) == 0
    assert "joined by file" in capsys.readouterr().out


def test_a_report_without_a_draft_leads_nowhere(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("empty.txt").write_text("hello\n", "utf-8")
    read = tocsin(capsys, "ingest", "empty.txt")
    assert "0 claims, 0 indicators" in read
    assert "next" not in read


def test_a_claim_nobody_knew_by_then_is_named(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tocsin(capsys, "ingest", "report.txt").partition("as report ")[2].split(";")[0]
    tocsin(capsys, "accept", f"{kept}.1", "--date", "2026-11-19")
    asked = ("standing", "note--", "--as-known", "2020-01-01T00:00:00Z")
    refused = tocsin(capsys, *asked, code=1)
    assert "is known here by 2020-01-01" in refused


def test_a_fault_of_ours_is_two_lines_unless_asked_for(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("of ours")

    monkeypatch.setattr("tocsin.wiring.door.find_home", broken)
    with pytest.raises(SystemExit, match="1"):
        main(["--home", "north", "case", "list"])
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "tocsin: error: a fault in tocsin itself: ZeroDivisionError: of ours"
    assert len(told) == 2
    monkeypatch.setenv("TOCSIN_TRACE", "1")
    with pytest.raises(ZeroDivisionError):
        main(["--home", "north", "case", "list"])
