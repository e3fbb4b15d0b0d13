"""The README's commands, run as a new user would, print what the README says they print.

In an expected line `…` stands for anything; a line of `…` alone stands for any lines.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
HOME = "~/.local/share/tocsin/exercise"


def blocks() -> Iterator[list[tuple[str, list[str]]]]:
    """Every console block: [(command, expected lines)]."""
    text = (ROOT / "README.md").read_text("utf-8")
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        found: list[tuple[str, list[str]]] = []
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif found:
                found[-1][1].append(line)
        yield found


def pattern(expected: list[str]) -> re.Pattern[str]:
    """Lines as a pattern. Runs of blanks are one: columns are as wide as what is in them."""
    parts = []
    for line in expected:
        if line.strip() == "…":
            parts.append(r"(?:.*\n)*?")
        else:
            words = re.escape(re.sub(r" +", " ", line.rstrip()))
            parts.append(words.replace("…", ".*") + r"\n")
    return re.compile("".join(parts))


def test_the_readme_says_what_a_new_user_sees(tmp_path: Path) -> None:
    env = {
        **{k: v for k, v in os.environ.items() if not k.startswith("TOCSIN_")},
        "HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path / ".local" / "share"),
    }
    python = [sys.executable, "-m", "tocsin"]
    made = subprocess.run(
        [*python, "demo", "reset"], env=env, cwd=tmp_path, capture_output=True, check=False
    )
    assert made.returncode == 0, made.stderr
    ran = 0
    for block in blocks():
        for command, expected in block:
            if command.startswith("make"):
                continue
            words, target = command.split("  #")[0], None
            if ">" in words:
                words, _, target = words.partition(">")
            args = [w.replace("~", str(tmp_path)) for w in shlex.split(words)]
            assert args[0] == "tocsin", command
            done = subprocess.run(
                [*python, *args[1:]],
                env=env,
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert done.returncode == 0, (command, done.stdout, done.stderr)
            shown = done.stderr if target else done.stdout
            if target:
                (tmp_path / target.strip()).write_text(done.stdout)
            ran += 1
            got = "".join(re.sub(r" +", " ", line.rstrip()) + "\n" for line in shown.splitlines())
            assert pattern(expected).fullmatch(got), f"{command}\n--- printed\n{got}"
    assert ran > 9


def test_the_readme_says_the_six_things_every_user_must_know() -> None:
    text = " ".join((ROOT / "README.md").read_text("utf-8").replace("**", "").split())
    for words in (
        "It does not mean that it is true",
        "not of what exists",
        "counts sources, not truth",
        "No hit is not clean: read what was not covered",
        "whatever you send to others may reach the intruder",
        "Never allow a playbook step on your machines that you have not read",
        "sanctions, export, privacy and secrecy law",
        "Names of people can be purged",
    ):
        assert words in text, words


def test_every_dependency_is_in_the_readme_with_its_reason() -> None:
    import tomllib

    listed = (ROOT / "README.md").read_text("utf-8").split("## Dependencies")[1]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for requirement in project["dependencies"]:
        name = re.split(r"[<>=;\[ ]", requirement)[0]
        assert re.search(rf"\b{re.escape(name)}\b", listed), name
