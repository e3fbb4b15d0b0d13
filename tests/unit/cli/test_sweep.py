"""`tocsin sweep` as a user meets it: what it prints, and how it ends."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tocsin.cli import run

LURE = "lure-portal.example"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a log, a rotated one and a list; no party anywhere."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "none"))
    monkeypatch.delenv("TOCSIN_HOME", raising=False)
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "a.log").write_text(f"one\nquery {LURE} A\n")
    (logs / "a.log.1.gz").write_bytes(gzip.compress(f"query www.{LURE}. A\n".encode()))
    (tmp_path / "list.txt").write_text(f"{LURE.replace('.', '[.]')}\n203.0.113.7\n")
    return tmp_path


def out(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


def test_a_sweep_needs_no_party_and_says_what_it_found(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["sweep", str(place / "logs"), "--indicators", str(place / "list.txt")]) == 0
    text = out(capsys)
    assert "a.log:2" in text
    assert "parent" in text
    assert "2 hits of 1 indicator; looked for 1 value of 1 indicator in 2 files" in text
    assert "to look for them too: --override documentation" in text
    assert "not covered: nothing below these paths" in text
    assert text.rstrip().endswith("No hit is not clean: read what was not covered.")


def test_json_lines_are_hits_and_then_the_summary(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = place / "logs" / "a.log"
    run(["sweep", str(log), "--indicators", str(place / "list.txt"), "--jsonl"])
    hit, last = map(json.loads, out(capsys).splitlines())
    assert hit == {
        "path": str(log),
        "line": 2,
        "offset": 10,
        "indicator": LURE,
        "value": LURE,
        "matched": LURE,
        "rule": "exact",
    }
    summary: dict[str, Any] = last["summary"]
    assert summary["hits"] == 1
    assert summary["complete"] is True
    assert summary["not_covered"] == []
    assert summary["suppressed"] == [
        {"indicator": "203.0.113.7", "value": "203.0.113.7", "why": "documentation"}
    ]


def test_json_is_one_value(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["sweep", str(place / "logs"), "--indicators", str(place / "list.txt"), "--json"])
    value = json.loads(out(capsys))
    assert [hit["rule"] for hit in value["hits"]] == ["exact", "parent"]


def test_a_script_can_ask_for_hits_by_exit_code(place: Path) -> None:
    given = ["sweep", str(place / "logs"), "--exit-hits", "--indicators"]
    assert run([*given, str(place / "list.txt")]) == 5
    (place / "other.txt").write_text("nowhere.example\n")
    assert run([*given, str(place / "other.txt")]) == 0


def test_a_sweep_done_in_part_ends_with_1_and_names_the_gap(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packed = gzip.compress(b"x" * 9_000)
    (place / "logs" / "b.gz").write_bytes(packed[:-4])
    given = ["sweep", str(place / "logs"), "--indicators", str(place / "list.txt")]
    assert run([*given, "--exit-hits"]) == 1
    text = out(capsys)
    assert "not covered: 1" in text
    assert "b.gz: its gzip data ends early" in text


def test_an_override_is_for_one_value_or_a_whole_list(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "logs" / "a.log").write_text("from 203.0.113.7\n")
    given = ["sweep", str(place / "logs"), "--indicators", str(place / "list.txt"), "--override"]
    for override in ("documentation", "documentation:203.0.113.7"):
        run([*given, override])
        text = out(capsys)
        assert "203.0.113.7" in text.splitlines()[1]
        assert "looked for although on the warninglist documentation: 1" in text
    assert run([*given, "documents"]) == 2


def test_what_a_log_holds_never_reaches_the_terminal_raw(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "a\x1b[2J\u202eb.log"
    (place / "logs" / name).write_text(f"{LURE}\n")
    run(["sweep", str(place / "logs"), "--indicators", str(place / "list.txt")])
    text = out(capsys)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\\u{1B}" in text
    assert "\\u{202E}" in text


def test_a_report_is_read_for_its_indicators(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = place / "report.txt"
    report.write_text(
        "The intruders came back in March, the operator said on Monday.\n\n"
        "Their new server answered at hxxps://lure-portal[.]example/gate and was seen by many.\n"
    )
    assert run(["sweep", str(place / "logs"), "--indicators", str(report), "--explain"]) == 0
    text = out(capsys)
    assert "read as report" in text
    assert LURE in text


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["nothing-here", "--indicators", "list.txt"], 2, "nothing-here does not exist"),
        (["logs", "--indicators", "nothing-here"], 2, "nothing-here"),
        (["logs", "--indicators", "empty.txt"], 2, "empty.txt is empty"),
        (["logs", "--indicators", "list.txt", "--since", "yesterday"], 2, "'yesterday' is no time"),
        (["logs", "--indicators", "list.txt", "--since", "2026-11-22T08:30"], 2, "no time zone"),
        (["logs", "--indicators", "list.txt", "--json", "--jsonl"], 2, "choose one"),
        (["logs", "--indicators", "list.txt", "--case", "x"], 2, "choose one"),
        (["logs", "--indicators", "suppressed.txt"], 1, "--override documentation"),
        ([], 2, "PATH"),
    ],
)
def test_wrong_use_is_two_lines_with_a_remedy(
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    word: str,
) -> None:
    monkeypatch.chdir(place)
    (place / "empty.txt").touch()
    (place / "suppressed.txt").write_text("203.0.113.7\n")
    assert run(["sweep", *arguments]) == code
    error = capsys.readouterr().err
    assert word in error
    assert [line.split(": ")[1] for line in error.splitlines()] == ["error", "hint"]


def test_a_reader_that_goes_away_leaves_no_traceback(place: Path) -> None:
    (place / "logs" / "many.log").write_text(f"{LURE}\n" * 5_000)
    ours = subprocess.Popen(
        [sys.executable, "-m", "tocsin", "sweep", "logs", "--indicators", "list.txt", "--jsonl"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=place,
    )
    assert ours.stdout is not None
    assert ours.stderr is not None
    ours.stdout.readline()
    ours.stdout.close()
    assert ours.stderr.read() == b""
    ours.stderr.close()
    ours.wait(30)


def test_a_log_may_come_through_a_pipe(place: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-m", "tocsin", "sweep", "-", "--indicators", "list.txt", "--jsonl"],
        input=gzip.compress(f"one\n{LURE}\n".encode()),
        capture_output=True,
        cwd=place,
        check=True,
    )
    hit = json.loads(found.stdout.splitlines()[0])
    assert (hit["path"], hit["line"]) == ("-", 2)


def test_an_indicator_whose_pattern_is_refused_is_named_and_the_others_are_looked_for(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    patterns = {
        "01": f"[domain-name:value = '{LURE}']",
        "02": "[file:hashes.SHA-256 = 'x']",
        "03": f"[domain-name:value = '{LURE}' AND url:value = 'http://{LURE}/']",
    }
    objects = [
        {
            "type": "indicator",
            "spec_version": "2.1",
            "id": f"indicator--6a61e6a8-1a2b-4c3d-8e4f-5a6b7c8d9e{end}",
            "created": "2026-11-01T00:00:00.000Z",
            "modified": "2026-11-01T00:00:00.000Z",
            "indicator_types": ["malicious-activity"],
            "pattern": pattern,
            "pattern_type": "stix",
            "valid_from": "2026-11-01T00:00:00Z",
        }
        for end, pattern in patterns.items()
    ]
    bundle = {"type": "bundle", "id": "bundle--1f0b7b2c-9d2e-4a57-8a3c-0d8e4e1c9a11"}
    path = place / "feed.json"
    path.write_text(json.dumps(bundle | {"objects": objects}))
    assert run(["sweep", str(place / "logs"), "--indicators", str(path)]) == 0
    text = " ".join(out(capsys).split())
    assert "2 hits of 1 indicator; looked for 1 value of 1 indicator" in text
    assert (
        "not looked for: indicator--6a61e6a8-1a2b-4c3d-8e4f-5a6b7c8d9e02: its pattern cannot be "
        "read: SHA-256 has a hyphen (character 13)"
    ) in text
    assert "5a6b7c8d9e03: its pattern breaks a rule of STIX" in text
    assert run(["stix", "check", str(path)]) == 0, "neither is refused by a node"
    assert "hyphen-needs-quotes" in out(capsys)
