"""Pages of what goes to others and comes from them: who still holds it, and what was fetched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.browser.conftest import new_context, until
from tests.faults.node_process import NodeProcess, tocsin
from tests.faults.test_sync_processes import held, said
from tests.faults.test_three_nodes import Nodes, eventually
from tests.faults.three_nodes import federation

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

NORTH, SOUTH = "cert.northland.example", "cert.southmark.example"
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1280, "height": 900}},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "narrow": {"viewport": {"width": 360, "height": 800}},
}
SHOTS = os.environ.get("TOCSIN_SHOTS")
"""A folder for a picture of each page, for people to look at."""


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[NodeProcess]]:
    """Two nodes that exchange what their parties say."""
    nodes = Nodes()
    with nodes.stack:
        homes = federation(tmp_path_factory.mktemp("two"), [NORTH, SOUTH])
        yield [nodes.up(home) for home in homes]


@pytest.fixture(scope="module")
def states(chromium: Any, two: list[NodeProcess]) -> dict[str, Any]:
    """Signed in once at each."""
    found = {}
    for node in two:
        context = new_context(chromium)
        page = context.new_page()
        page.goto(node.url + node.enter)
        page.click("main button")
        page.wait_for_url(node.url + "/")
        found[node.url] = context.storage_state()
        context.close()
    return found


@pytest.fixture
def look(chromium: Any, states: dict[str, Any]) -> Iterator[Callable[..., Any]]:
    """Opens a page of a node; fails if it is too wide, complains or asks elsewhere."""
    contexts: list[Any] = []
    wrong: list[str] = []

    def go(node: NodeProcess, path: str, status: int = 200, **how: Any) -> Any:
        context = new_context(chromium, storage_state=states[node.url], **how)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))

        def asked(request: Any) -> None:
            if not request.url.startswith((node.url, "data:")):
                wrong.append(request.url)

        page.on("request", asked)
        assert page.goto(node.url + path).status == status
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(wide) <= 0
        return page

    yield go
    for context in contexts:
        context.close()
    # A page that is not there is told to the console by the browser itself.
    assert [words for words in wrong if "404" not in words] == []


def shot(page: Any, name: str) -> None:
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


def test_who_holds_a_thing_is_seen_by_its_author_until_all_have_answered(
    two: list[NodeProcess], look: Callable[..., Any]
) -> None:
    north, south = two
    id = said(north, 1, SOUTH)
    eventually(lambda: held(south, id))
    page = look(north, f"/holders/{id}", **LOOKS["light"])
    row = "document.querySelector('main [data-row]')"
    assert SOUTH in page.inner_text("main [data-row]")
    assert page.inner_text("main h1").startswith("Who still holds it")
    done = tocsin(north.home, "withdraw", id[:12], "--yes")
    assert done.returncode == 0

    def removed() -> bool:
        page.reload()
        return bool(page.evaluate(f"{row}.innerText.includes('removed it')"))

    eventually(removed)
    until(page, f"{row}.innerText.includes('removed it')")
    for name, how in LOOKS.items():
        shown = look(north, f"/holders/{id}", **how)
        assert "removed it" in shown.inner_text("main [data-row]")
        shot(shown, f"holders-{name}")
    # From the Log page a link leads there; without JavaScript it says the same.
    log = look(north, "/log", **LOOKS["light"], java_script_enabled=False)
    log.click(f"main a[href='/holders/{id}']")
    assert "removed it" in log.inner_text("main [data-row]")
    # To its author alone: for others it is as if there were no such thing.
    hidden = look(south, f"/holders/{id}", status=404)
    unknown = look(south, f"/holders/{'ab' * 32}", status=404)
    assert hidden.inner_text("main") == unknown.inner_text("main")


def test_what_was_fetched_is_read_then_said_or_set_aside(
    two: list[NodeProcess], look: Callable[..., Any]
) -> None:
    """South fetches from north by TAXII: the report's page shows what came, and says it."""
    north, south = two
    for n in (2, 3):
        said(north, n, SOUTH)
    made = json.loads(
        tocsin(north.home, "taxii", "user", "add", "feed", "--party", SOUTH, "--json").stdout
    )
    account = {"TOCSIN_TAXII_USER": "feed", "TOCSIN_TAXII_PASSWORD": made["secret"]}
    pull = ["taxii", "pull", f"{north.url}/taxii2/", "--collection", "all", "--json"]
    fetched = subprocess.run(
        [sys.executable, "-m", "tocsin", "--home", str(south.home), *pull],
        env={**os.environ, **account}, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    [report] = json.loads(fetched.stdout)["reports"]
    came = json.loads(fetched.stdout)["objects"]
    assert came >= 2
    now = look(south, "/", **LOOKS["light"])
    link = f"main a[href^='/drafts/{report}']"
    assert now.locator(link).count() >= 1, "it waits on the Now page"
    for name, how in LOOKS.items():
        page = look(south, f"/drafts/{report}", **how)
        rows = page.locator("section[aria-labelledby=objects] [data-row]")
        assert rows.count() == came
        assert "tool--00000000-0000-4000-8000-000000000002" in page.inner_text("main")
        shot(page, f"fetched-{name}")
    page = look(south, f"/drafts/{report}", **LOOKS["light"])
    page.click(f"button:has-text('Say {came} objects as yours')")
    # The page looks again by itself, as it says, although its address ends in a fragment.
    until(page, f"document.querySelector('main')?.innerText.includes('Said {came} objects')")
    shot(page, "fetched-said")
    assert look(south, "/", **LOOKS["light"]).locator(link).count() == 0
