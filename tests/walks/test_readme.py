"""The README's commands, run as a new user would, print what the README says they print."""

from __future__ import annotations

import re
from pathlib import Path

from tests.walks.typed import ROOT, Walk


def test_the_readme_says_what_a_new_user_sees(tmp_path: Path) -> None:
    with Walk(tmp_path) as walk:
        walk.type("tocsin", "demo", "reset")
        walk.ports(8471)
        typed = walk.go((ROOT / "README.md").read_text("utf-8"))
    assert len(typed) > 20


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
