"""Exchanging the two sides of the exercise changes nothing but names, on every page and export.

Ids, digests and keys differ between any two runs; each is replaced by the number of its first
appearance, so that order and equality are compared and their bytes are not.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import httpx
import pytest

from tocsin.console.app import build
from tocsin.console.auth import Person
from tocsin.flows import advise, respond, weigh
from tocsin.flows.exercise import Script
from tocsin.flows.node import Node
from tocsin.wiring.exercise import load_exercise
from tocsin.wiring.node import open_node

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TEXT = (resources.files("tocsin.samples") / "exercise.toml").read_text("utf-8")

# Digests, ids, signatures, fingerprints; and sizes, for names have different lengths.
_DIGEST = re.compile(
    r"[0-9a-f]{64}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|\b[0-9a-f]{12,40}\b|(?:[A-Z2-7]{4}-){7}[A-Z2-7]{4}|[A-Za-z0-9+/]{24,}={0,2}"
    r"|\"size\": [0-9]+|[0-9,]+ (?:bytes|characters)"
)
_FOLDED = re.compile(r"/log \S+<span aria-hidden=\"true\">.*?</details>", re.DOTALL)


def blanked(text: str, script: Script) -> str:
    """The text with every name as its place in the script, and every digest as its number."""
    names = [
        *script.ids.items(),
        *script.names.items(),
        *((f"{s}.state", n) for s, n in script.states.items()),
    ]
    for place, name in sorted(names, key=lambda pair: -len(pair[1])):
        text = text.replace(name, "{" + place + "}")
    text = _FOLDED.sub("(signature lines)", text)
    seen: dict[str, str] = {}
    return _DIGEST.sub(lambda m: seen.setdefault(m[0], f"#{len(seen)}"), text)


@contextmanager
def loaded(folder: Path, swap: bool) -> Iterator[tuple[Node, Script]]:
    load_exercise(folder, swap=swap, now=NOW)
    with open_node(folder, clock=lambda: NOW) as node:
        yield node, Script(TEXT, swap=swap)


def views(node: Node) -> dict[str, Any]:
    """Everything the pages are drawn from, for the node's own party."""
    reader = node.reader(node.party)
    [case] = respond.cases(node, reader)
    found: dict[str, Any] = {
        "cases": respond.cases(node, reader),
        "case": respond.state(node, case.id, reader),
        "claims": weigh.claims(node, reader),
        "advisories": [advise.page(node, reader, a.id) for a in advise.advisories(node, reader)],
    }
    for row in weigh.claims(node, reader):
        found[f"claim {row.id}"] = weigh.claim_page(node, reader, row.id)
    return found


def pages(node: Node) -> dict[str, str]:
    """The HTML of every page, as a browser of the node's owner gets it."""
    console = build(node, hosts=("testserver",))
    session = console.doors.open_session(Person(name="operator", party=node.party, role="admin"))
    reader = node.reader(node.party)
    [case] = respond.cases(node, reader)
    paths = ["/", "/cases", f"/cases/{case.id}", "/claims", "/log", "/ingest"]
    paths += [f"/claims/{r.id}" for r in weigh.claims(node, reader)]
    paths += [f"{path}.csv" for path in paths if path.startswith("/claims")]
    paths += [f"/advisories/{a.id}" for a in advise.advisories(node, reader)]

    async def fetch() -> dict[str, str]:
        found = {}
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(console.asgi),
            base_url="http://testserver",
            headers={"sec-fetch-site": "none", "cookie": f"__Host-tocsin={session}"},
        ) as client:
            for path in paths:
                answer = await client.get(path)
                assert answer.status_code == 200, (path, answer.status_code, answer.text[:300])
                found[path] = answer.text
        return found

    return asyncio.run(fetch())


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[tuple[Node, Script]]]:
    with (
        loaded(tmp_path_factory.mktemp("as-is") / "e", swap=False) as one,
        loaded(tmp_path_factory.mktemp("swapped") / "e", swap=True) as other,
    ):
        yield [one, other]


def plain(value: Any) -> str:
    return json.dumps(respond.to_json(value), indent=1, ensure_ascii=False)


def test_the_sides_really_are_exchanged(both: list[tuple[Node, Script]]) -> None:
    (one, _), (other, _) = both
    assert one.party == "cert.northland.example"
    assert other.party == "cert.eastmere.example"


def test_every_view_is_the_same_but_for_names(both: list[tuple[Node, Script]]) -> None:
    first, second = ({k: plain(v) for k, v in views(node).items()} for node, _ in both)
    assert list(first) == list(second)
    for name in first:
        one, other = (blanked(t[name], b[1]) for t, b in zip((first, second), both, strict=True))
        assert unordered(one) == unordered(other), name


def unordered(text: str) -> str:
    """Readers are a set, written in the order of their names; no page shows them so."""
    return re.sub(
        r'"to": \[([^\]]*)\]', lambda m: "to: " + str(sorted(m[1].replace(",", "").split())), text
    )


def test_every_page_is_the_same_but_for_names(both: list[tuple[Node, Script]]) -> None:
    first, second = (pages(node) for node, _ in both)
    assert list(first) == list(second)
    for path in first:
        one, other = defanged(first[path]), defanged(second[path])
        assert blanked(one, both[0][1]) == blanked(other, both[1][1]), path


def test_every_export_is_the_same_but_for_names(both: list[tuple[Node, Script]]) -> None:
    texts = []
    for node, script in both:
        reader = node.reader(node.party)
        [case] = respond.cases(node, reader)
        page, _ = respond.export(node, case.id, reader, "sheet", own=reader)
        shown = page.decode().split('<script type="text/plain"')[0]
        [advisory] = advise.advisories(node, reader)
        _, printed = advise.rendering(node, reader, advisory.id, "advisory.html")
        texts.append((blanked(shown, script), blanked(defanged(printed.decode()), script)))
    assert texts[0] == texts[1]


def defanged(text: str) -> str:
    """A party's id as addresses are printed, `cert[.]northland[.]example`, as it is elsewhere."""
    return text.replace("[.]", ".")
