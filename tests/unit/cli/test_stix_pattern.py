"""`tocsin stix pattern`: a line in, a line out, whatever the line."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from tocsin.cli import run
from tocsin.cli.stix import LONGEST_LINE
from tocsin.stix.pattern_rules import RULES

Out = pytest.CaptureFixture[str]


def judge(path: Path, data: bytes, out: Out, *flags: str) -> tuple[int, list[dict[str, object]]]:
    path.write_bytes(data)
    code = run([*flags, "stix", "pattern", str(path)])
    return code, [json.loads(line) for line in out.readouterr().out.splitlines()]


def test_each_line_gets_one_answer_in_the_same_order(tmp_path: Path, capsys: Out) -> None:
    data = (
        b"[domain-name:value = 'a.example']\n"
        b"[file:hashes.SHA-256 = 'x']\r\n"
        b"\n"
        b"\"[a:b = 'x\\ny'] // z\\n\"\n"
        b"[a:b = 1] WITHIN 0 SECONDS"
    )
    code, said = judge(tmp_path / "patterns.txt", data, capsys)
    assert code == 1
    assert said == [
        {"ok": True},
        {
            "ok": False,
            "error": "hyphen-needs-quotes",
            "position": 13,
            "detail": "SHA-256 has a hyphen",
            "remedy": RULES["hyphen-needs-quotes"].remedy,
        },
        {
            "ok": False,
            "error": "empty-pattern",
            "position": 0,
            "detail": "there is no pattern here",
            "remedy": RULES["empty-pattern"].remedy,
        },
        {"ok": True},
        {
            "ok": True,
            "warnings": [
                {
                    "code": "within-zero",
                    "position": 10,
                    "detail": "a window of 0 seconds",
                    "remedy": RULES["within-zero"].remedy,
                }
            ],
        },
    ]


def test_all_well_is_exit_0_and_silent(tmp_path: Path, capsys: Out) -> None:
    path = tmp_path / "patterns.txt"
    path.write_text("[a:b = 1]\n[a:b IN ()]\n")
    assert run(["stix", "pattern", str(path), "--json"]) == 0
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 2
    assert captured.err == ""
    path.write_bytes(b"")
    assert run(["stix", "pattern", str(path)]) == 0
    assert capsys.readouterr().out == ""


def test_what_failed_is_counted_by_name_unless_asked_to_be_quiet(
    tmp_path: Path, capsys: Out
) -> None:
    path = tmp_path / "patterns.txt"
    path.write_text("[a:b = 1]\n[a:b]\n[a:b]\nx\n")
    assert run(["stix", "pattern", str(path)]) == 1
    assert capsys.readouterr().err == (
        "3 of 4 patterns failed: operator-expected 2, no-brackets 1\n"
    )
    assert run(["--quiet", "stix", "pattern", str(path)]) == 1
    assert capsys.readouterr().err == ""


def test_a_line_that_is_no_text_loses_no_other(tmp_path: Path, capsys: Out) -> None:
    data = b'[a:b = 1]\n[a:b = \'\xff\']\n"[a:b = 1]\n"x" y\n[a:b = 2]\n'
    code, said = judge(tmp_path / "patterns.txt", data, capsys)
    assert code == 2
    assert [one.get("error") for one in said] == [
        None,
        "line-not-text",
        "line-not-json",
        "line-not-json",
        None,
    ]
    assert said[1]["position"] == 8


def test_a_line_longer_than_any_pattern_is_passed_over(tmp_path: Path, capsys: Out) -> None:
    data = b"[a:b = '" + b"x" * (3 * LONGEST_LINE) + b"']\n[a:b = 1]\n" + b" " * LONGEST_LINE
    code, said = judge(tmp_path / "patterns.txt", data, capsys)
    assert code == 1
    assert [one.get("error") for one in said] == ["pattern-too-long", None, "pattern-too-long"]


def test_the_longest_pattern_fits_a_line_however_it_is_escaped(tmp_path: Path, capsys: Out) -> None:
    text = "[a:b = '" + "\U0001d4b3" * 16_381 + "']"
    assert len(text.encode()) <= 64 * 1024 < len(text.encode()) + 4
    code, said = judge(tmp_path / "patterns.txt", json.dumps(text).encode() + b"\n", capsys)
    assert (code, said) == (0, [{"ok": True}])


def test_a_byte_order_mark_is_passed_over_and_utf_16_refused(tmp_path: Path, capsys: Out) -> None:
    path = tmp_path / "patterns.txt"
    assert judge(path, b"\xef\xbb\xbf[a:b = 1]\n", capsys) == (0, [{"ok": True}])
    assert judge(path, "[a:b = 1]\n".encode("utf-16"), capsys) == (2, [])


def test_what_cannot_be_opened_is_named(tmp_path: Path, capsys: Out) -> None:
    for name in (str(tmp_path), "/nonexistent/patterns.txt", "a\0b"):
        assert run(["stix", "pattern", name]) == 2
        first, second = capsys.readouterr().err.splitlines()
        assert first.startswith("tocsin: error: ")
        assert second.startswith("tocsin: hint: ")


def test_patterns_come_from_a_pipe(monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"[a:b = 1]\n[a:b\n")))
    assert run(["stix", "pattern", "-"]) == 1
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["ok"] for one in said] == [True, False]


def test_what_a_pattern_holds_never_reaches_the_terminal_raw(tmp_path: Path, capsys: Out) -> None:
    path = tmp_path / "patterns.txt"
    path.write_text("[a:b = \x1b[31m\u202e]\n[a:\u202e]\n", "utf-8")
    assert run(["stix", "pattern", str(path)]) == 1
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\u202e" not in out
