"""Every "Copy as CLI" line of a page is a command that runs, and speaks of the same things."""

from __future__ import annotations

import html
import re
import shlex
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tocsin.cli import run
from tocsin.console.app import build
from tocsin.console.auth import Person
from tocsin.wiring.exercise import load_exercise
from tocsin.wiring.node import open_node

REPORT = '"We reject these groundless accusations," said Jon Vale, a spokesman for PortCo.\n'


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cli") / "exercise"
    load_exercise(path, now=datetime.now(UTC))
    return path


def lines_of(home: Path, client_of: Callable[..., Any]) -> dict[str, str]:
    """Page → the command at its foot."""
    with open_node(home) as node:
        console = build(node)
        client = client_of(console.asgi)
        person = Person(name="operator", party=node.party, role="signer")
        client.cookies.set("tocsin", console.doors.open_session(person))
        brought = client.post("/ingest", data={"text": REPORT}, headers={"sec-fetch-site": "none"})
        waiting = ["/", "/cases", "/claims?challenged=1", "/log", brought.headers["location"]]
        found: dict[str, str] = {}
        kinds: dict[str, int] = {}
        while waiting:
            path = waiting.pop(0)
            text = client.get(path).text
            line = re.search(r'<code id="cli">([^<]*)</code>', text)
            assert line is not None, path
            found[path] = html.unescape(line[1])
            pattern = r'href="(/(claims|cases|advisories|objects)/[^"/.?]+)"'
            for link, kind in re.findall(pattern, text):
                if link not in found and link not in waiting and kinds.get(kind, 0) < 2:
                    kinds[kind] = kinds.get(kind, 0) + 1
                    waiting.append(link)
        return found


def test_every_command_of_a_page_runs(
    home: Path, client_of: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    lines = lines_of(home, client_of)
    assert len(lines) >= 10
    for path, line in lines.items():
        words = shlex.split(line)
        assert words[0] == "tocsin"
        code = run(["--home", str(home), *words[1:]])
        said = capsys.readouterr()
        assert code == 0, (path, line, said.err)
        thing = re.search(r"(note|case|advisory)--[0-9a-f-]{36}", line)
        if thing is not None:
            assert run(["--home", str(home), *words[1:], "--json"]) == 0
            assert thing[0] in capsys.readouterr().out, (path, line)
