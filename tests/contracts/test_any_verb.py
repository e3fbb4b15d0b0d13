"""What every verb owes: help with an example, two-line errors, JSON, and never a traceback."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tocsin import cli
from tocsin.cli import VERBS, Verbs, run, tocsin

EVERY = sorted(VERBS)


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


PLANNED = {
    "db",
    "relate",
    "compare",
    "play",
}
"""Verbs of later releases: no remedy may send a user to them yet."""

PATHS = sorted(commands(tocsin))


def test_the_table_of_verbs_and_the_modules_agree() -> None:
    context = click.Context(tocsin)
    assert isinstance(tocsin, Verbs)
    for verb, (_, says) in VERBS.items():
        command = tocsin.get_command(context, verb)
        assert command is not None
        assert says.endswith(".")
        assert command.get_short_help_str(200), verb


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_a_verb_says_what_it_does_with_one_worked_example(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*path, "--help"]) == 0
    out = capsys.readouterr().out
    assert "Example: tocsin " + path[0] in " ".join(out.split())


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_a_wrong_flag_is_two_lines_and_exit_2(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*path, "--no-such-flag"]) == 2
    first, second = capsys.readouterr().err.strip().splitlines()
    assert first.startswith("tocsin: error: ")
    assert "--no-such-flag" in first
    assert second.startswith("tocsin: hint: ")


@pytest.mark.parametrize(
    ("typed", "meant"), [("ingst", "ingest"), ("drafts", "accept"), ("deny", "answer")]
)
def test_a_verb_that_is_none_gets_the_one_that_is_meant(
    typed: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([typed, "x"]) == 2
    assert f"did you mean: tocsin {meant}" in capsys.readouterr().err


NEEDS_PARTY = [
    ["claims"],
    ["accept"],
    ["case", "list"],
    ["case", "show", "case--x"],
    ["advisory", "list"],
    ["log", "show"],
    ["party", "list"],
    ["key", "list"],
    ["key", "rotate", "--yes"],
    ["directory", "show"],
    ["export", "case--x"],
    ["open"],
    ["token", "link"],
    ["say", "--yes", "/nonexistent"],
]


@pytest.mark.parametrize("args", NEEDS_PARTY, ids=" ".join)
def test_without_a_party_a_verb_says_how_to_make_one(
    args: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run(args) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 2
    assert "tocsin: hint:" in err
    assert not list(tmp_path.iterdir()), "asking makes nothing"


MISSING = [
    ["ingest", "/nonexistent/report.txt"],
    ["standing", "/nonexistent/bundle.json"],
    ["verify", "/nonexistent/case.tocsin", "--policy", "/nonexistent/policy"],
    ["sweep", "/nonexistent/log", "--indicators", "/nonexistent/list"],
    ["party", "join", "/nonexistent/invitation"],
    ["stix", "pattern", "/nonexistent/patterns.txt"],
]


@pytest.mark.parametrize("args", MISSING, ids=" ".join)
def test_a_file_that_is_not_there_is_named_with_exit_2(
    args: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run(args) == 2
    assert "/nonexistent/" in capsys.readouterr().err


def test_the_help_of_tocsin_loads_nothing_heavy(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "tocsin", "--help"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    loaded = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    heavy = {"starlette", "uvicorn", "jinja2", "numpy", "trafilatura", "cryptography", "msgspec"}
    assert not heavy & loaded


@pytest.mark.parametrize("verb", ["ingest", "sweep"])
def test_a_reader_that_goes_away_is_no_error(verb: str, tmp_path: Path) -> None:
    report = tmp_path / "report.txt"
    report.write_text("“We saw 203.0.113.9 again and again,” said Ines Halvorsen.\n" * 200, "utf-8")
    args = [verb, str(report)]
    if verb == "sweep":
        args += ["--indicators", str(report), "--jsonl", "--override", "documentation"]
    process = subprocess.Popen(
        [sys.executable, "-m", "tocsin", *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    process.wait(60)
    assert b"Traceback" not in err
    assert b"BrokenPipe" not in err


def test_control_characters_from_a_file_never_reach_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    report = tmp_path / "re\u202eport.txt"
    report.write_text(
        "“We \x1b[31mdeny\u202e everything they say about us,” said Ines Halvorsen.\n"
    )
    assert run(["ingest", str(report)]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "\\u{202E}" in out


def test_json_of_a_reading_is_one_value_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("“We deny it all, every word of it,” said Ines Halvorsen.\n")
    (tmp_path / "empty.txt").write_bytes(b"")
    code = run(
        [
            "ingest",
            str(tmp_path / "a.txt"),
            str(tmp_path / "empty.txt"),
            str(tmp_path / "b.txt"),
            "--json",
        ]
    )
    captured = capsys.readouterr()
    assert code == 2, "one of them could not be read"
    assert "empty.txt" in captured.err
    assert [json.loads(line)["source"]["name"] for line in captured.out.splitlines()] == [
        "a.txt",
        "b.txt",
    ]


def named_verbs() -> Iterator[tuple[str, str, str | None]]:
    """(file, verb, sub-verb) of every `tocsin VERB` that a message, page or template names."""
    package = Path(cli.__file__).parent.parent
    for path in sorted(package.rglob("*")):
        if path.suffix not in (".py", ".html", ".js", ".txt", ".toml"):
            continue
        for found in re.finditer(
            r"\btocsin ([a-z][a-z-]+)(?: ([a-z][a-z-]+))?", path.read_text("utf-8")
        ):
            yield str(path.relative_to(package)), found[1], found[2]


def test_every_verb_that_a_remedy_names_exists() -> None:
    context = click.Context(tocsin)
    missing = set()
    for file, verb, sub in named_verbs():
        if verb not in VERBS:
            if verb in PLANNED:
                missing.add((file, verb, sub))
            continue
        command = tocsin.get_command(context, verb)
        if isinstance(command, click.Group) and sub and command.get_command(context, sub) is None:
            missing.add((file, verb, sub))
    assert not missing, "\n".join(
        f"{f}: tocsin {v} {s or ''}" for f, v, s in sorted(missing, key=str)
    )
