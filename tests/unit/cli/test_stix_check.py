"""`tocsin stix check` as a user meets it: what it prints, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tocsin.cli import run
from tocsin.cli.terminal import cells


def identity(n: int = 1, **more: Any) -> dict[str, Any]:
    """One party, and what is wrong with it."""
    return {
        "type": "identity",
        "spec_version": "2.1",
        "id": f"identity--7a3c0b52-6f0e-4c1d-9a57-{n:012x}",
        "created": "2026-03-01T10:00:00.000Z",
        "modified": "2026-03-01T10:00:00.000Z",
        "name": "GridCo",
        **more,
    }


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A bundle of 3,000 objects with 6,000 findings of two codes."""
    objects = [identity(n, sectors=["energie"], confidence=101) for n in range(3_000)]
    place = tmp_path / "bundle.json"
    bundle = {"type": "bundle", "id": "bundle--7a3c0b52-6f0e-4c1d-9a57-1f6f6f6c2b10"}
    place.write_text(json.dumps({**bundle, "objects": objects}))
    return place


def test_thousands_of_findings_are_read_on_one_screen(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["stix", "check", str(file)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "3,000 objects, 3,000 errors, 3,000 warnings" in lines[0]
    assert lines[2].split() == ["3,000", "error", "number-range"]
    assert lines[3].split() == ["3,000", "warning", "vocabulary"]
    assert len(lines) < 60
    assert all(cells(line) <= 80 for line in lines)
    assert any("perhaps energy?" in line for line in lines)
    assert "  and 2,995 more: --code number-range" in lines
    assert lines[-1].startswith("3,000 objects are said and passed on by no node")


def test_all_findings_of_one_code_are_shown_when_asked_for(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["stix", "check", str(file), "--code", "vocabulary"]) == 1
    out = capsys.readouterr().out
    assert out.count("perhaps energy?") == 3_000
    assert "number-range" not in out


def test_json_holds_every_finding_as_data(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["stix", "check", str(file), "--json"]) == 1
    value = json.loads(capsys.readouterr().out)
    assert value["counts"] == {"error": 3_000, "warning": 3_000, "note": 0}
    assert (value["objects"], value["refused"]) == (3_000, 3_000)
    first = value["findings"][0]
    assert list(first) == [
        *("code", "severity", "pointer", "clause", "object", "value", "detail", "remedy")
    ]
    assert first["object"]["id"] == identity(0)["id"]
    assert len(first["object"]["sha256"]) == 64


def test_json_lines_are_one_finding_each(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["stix", "check", str(file), "--jsonl"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert {json.loads(line)["code"] for line in lines} == {"number-range", "vocabulary"}
    assert len(lines) == 6_000


def test_a_good_file_ends_with_0_and_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "one.json"
    place.write_text(json.dumps(identity()))
    assert run(["stix", "check", str(place)]) == 0
    assert capsys.readouterr().out == "one.json  1 object, nothing found\n"


def test_warnings_alone_end_with_0(tmp_path: Path) -> None:
    place = tmp_path / "one.json"
    place.write_text(json.dumps(identity(sectors=["energie"])))
    assert run(["stix", "check", str(place)]) == 0


@pytest.mark.parametrize("text", ["", "{", "[1,2", '{"type":"bundle","type":"bundle"}'])
def test_what_cannot_be_opened_ends_with_2_and_a_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    place = tmp_path / "bad.json"
    place.write_text(text)
    assert run(["stix", "check", str(place)]) == 2
    assert "tocsin: hint:" in capsys.readouterr().err


def test_a_hostile_name_in_an_object_does_nothing_to_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "bad.json"
    place.write_text(json.dumps(identity() | {"Na\x1b[2Jme\u202e": 1, "sectors": ["\x1b[31m\n"]}))
    assert run(["stix", "check", str(place)]) == 1
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\u202e" not in out
