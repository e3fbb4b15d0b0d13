"""The exercise with its sides exchanged: every page is the same page with other names."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tocsin.console.app import build
from tocsin.console.auth import Person
from tocsin.wiring.exercise import load_exercise
from tocsin.wiring.node import open_node
from tocsin.wiring.party import init

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
PAIRS = (
    ("CERT Northland", "CERT Eastmere"),
    ("Northland Foreign Ministry", "Eastmere Foreign Ministry"),
    ("GridCo", "PortCo"),
    ("cert.northland.example", "cert.eastmere.example"),
    ("mfa.northland.example", "mfa.eastmere.example"),
    ("gridco.example", "portco.example"),
    ("cert[.]northland[.]example", "cert[.]eastmere[.]example"),
    ("mfa[.]northland[.]example", "mfa[.]eastmere[.]example"),
    ("gridco[.]example", "portco[.]example"),
    ("Northland", "Eastmere"),
)


def exchanged(text: str) -> str:
    to = {a: b for pair in PAIRS for a, b in (pair, pair[::-1])}
    longest = sorted(to, key=len, reverse=True)
    return re.sub("|".join(map(re.escape, longest)), lambda found: to[found[0]], text)


def without_keys(text: str) -> str:
    """A page without what follows from the random keys and salts of each run."""
    text = re.sub(r"[0-9a-f]{64}|[0-9a-f]{12}…|/static/[0-9a-f]{16}/", "#", text)
    text = re.sub(r"(identity|relationship|indicator|intrusion-set)--[0-9a-f-]{36}", r"\1--#", text)
    text = re.sub(r"[\d\u202f]+ bytes", "# bytes", text)  # names differ in length
    text = re.sub(r"(?s)<pre.*?</pre>", "<pre>#</pre>", text)
    return re.sub(r"[A-Za-z0-9+/=]{40,}", "#", text)


def pages_of(home: Path, client_of: Callable[..., Any]) -> dict[str, str]:
    with open_node(home, clock=lambda: NOW) as node:
        console = build(node, monotonic=lambda: 0.0)
        client = client_of(console.asgi)
        person = Person(name="operator", party=node.party, role="signer")
        client.cookies.set("tocsin", console.doors.open_session(person))
        found: dict[str, str] = {}
        waiting = ["/", "/cases", "/claims", "/names", "/log", "/ingest"]
        while waiting:
            path = waiting.pop()
            if path in found:
                continue
            answer = client.get(path)
            assert answer.status_code == 200, path
            found[path] = without_keys(answer.text)
            waiting += re.findall(r'href="(/(?:claims|cases|advisories)/[^"/.]+)"', answer.text)
        return found


def test_every_page_of_the_swapped_exercise_is_the_same_with_other_names(
    tmp_path: Path, client_of: Callable[..., Any]
) -> None:
    for name, swap in (("one", False), ("two", True)):
        load_exercise(tmp_path / name, swap=swap, now=NOW)
    one = pages_of(tmp_path / "one", client_of)
    two = pages_of(tmp_path / "two", client_of)
    assert len(one) >= 15
    assert one.keys() == two.keys()
    for path, page in one.items():
        for here, there in zip(exchanged(page).splitlines(), two[path].splitlines(), strict=True):
            assert here == there, path
    charged = [page for path, page in one.items() if path.startswith("/claims/")]
    headings = [re.search(r"(?s)<title>(.*?)</title>.*<h1>(.*?)</h1>", page) for page in charged]
    for found in headings:
        assert found
        for heading in found.groups():  # who spoke, in order; nobody's words
            assert " by " in heading
            assert "“" not in heading
    assert any("; denial by" in found[2] for found in headings if found)


def test_exchanging_twice_gives_the_text_back() -> None:
    text = "CERT Northland and PortCo; mfa[.]eastmere[.]example, Northland's"
    assert exchanged(exchanged(text)) == text
    assert exchanged(text) != text


@pytest.mark.parametrize("hidden", ["/cases/case--x", "/claims/note--x", "/advisories/advisory--x"])
def test_what_is_not_there_is_the_one_404(
    tmp_path: Path, client_of: Callable[..., Any], hidden: str
) -> None:
    """Of a real node, so that a flow's own words cannot leak into the answer."""
    init(tmp_path / "own", "cert.northland.example", "CERT Northland")
    with open_node(tmp_path / "own") as node:
        console = build(node)
        client = client_of(console.asgi)
        person = Person(name="operator", party=node.party, role="signer")
        client.cookies.set("tocsin", console.doors.open_session(person))
        missing = client.get(hidden)
        nothing = client.get("/no/such/address")
    assert missing.status_code == nothing.status_code == 404
    assert missing.content == nothing.content
