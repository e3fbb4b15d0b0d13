"""The public record in a real browser: every page of every bundled dispute, as `tocsin demo record`
serves it to anybody."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.browser.conftest import new_context

pytestmark = pytest.mark.browser

SHOTS = os.environ.get("TOCSIN_SHOTS")
"""A folder for a picture of each page, for people to look at."""
LOOKS = {
    f"{scheme}-{width}": {
        "viewport": {"width": width, "height": 900},
        "color_scheme": scheme,
    }
    for scheme in ("light", "dark")
    for width in (1280, 390)
}
FIRST = "This page shows what has been shown, not what is true."


@pytest.fixture(scope="module")
def record() -> Iterator[str]:
    """The address of the record, served by a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tocsin", "demo", "record", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    found = None
    for line in process.stdout:
        found = re.search(r"(http://\S+)/claims", line)
        if found:
            break
    assert found, "the record did not start"
    yield found[1]
    process.terminate()
    process.communicate(timeout=60)


@pytest.fixture
def open_page(chromium: Any, record: str) -> Iterator[Callable[..., Any]]:
    """Opens pages; fails at the end if one complained or asked for something elsewhere."""
    contexts: list[Any] = []
    wrong: list[str] = []

    def go(**how: Any) -> Any:
        context = new_context(chromium, **how)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on(
            "request",
            lambda asked: (
                None if asked.url.startswith((record, "data:")) else wrong.append(asked.url)
            ),
        )
        return page

    yield go
    for context in contexts:
        context.close()
    assert wrong == []


def everything(page: Any, record: str) -> list[str]:
    """The list, every claim, the names, each group's page of what it shares, and an object."""
    page.goto(record + "/claims")
    claims = page.eval_on_selector_all(
        "main a.row-link", "all => all.map(a => a.getAttribute('href'))"
    )
    assert len(claims) >= 9
    names, groups = set(), set()
    for path in claims:
        page.goto(record + path)
        names |= set(hrefs(page, "/names?"))
    assert len(names) >= 3
    for path in sorted(names):
        page.goto(record + path)
        groups |= set(hrefs(page, "/overlap/"))
    assert len(groups) >= 3
    page.goto(record + claims[0])
    return [
        "/claims",
        *claims,
        "/names",
        *sorted(names),
        *sorted(groups),
        hrefs(page, "/objects/")[0],
    ]


def hrefs(page: Any, start: str) -> list[str]:
    found = page.eval_on_selector_all(
        f"main a[href^='{start}']", "all => all.map(a => a.getAttribute('href'))"
    )
    return [str(one) for one in found]


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_fits_is_quiet_and_says_first_what_it_shows(
    open_page: Callable[..., Any], record: str, look: str
) -> None:
    page = open_page(**LOOKS[look])
    for number, path in enumerate(everything(page, record)):
        assert page.goto(record + path).status == 200, path
        page.wait_for_selector("html.js")
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(wide) <= 0, path
        # Nothing inside a page is out of sight to the side either.
        hidden = page.eval_on_selector_all(
            "main *:not(pre)",
            "all => all.filter(e => e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 1"
            " && /auto|scroll|hidden/.test(getComputedStyle(e).overflowX)"
            " && !e.matches('.visually-hidden')).map(e => e.outerHTML.slice(0, 80))",
        )
        assert hidden == [], path
        assert page.inner_text("main").startswith(FIRST), path
        levels = page.eval_on_selector_all(
            "h1, h2, h3, h4, h5", "all => all.map(h => Number(h.tagName[1]))"
        )
        assert levels[0] == 1, path
        assert levels.count(1) == 1, path
        steps = itertools.pairwise(levels)
        assert all(after <= before + 1 for before, after in steps), (path, levels)
        if SHOTS:
            page.screenshot(path=f"{SHOTS}/record-{look}-{number}.png", full_page=True)


def test_every_quotation_says_where_its_words_are_and_leads_to_the_object_that_has_them(
    open_page: Callable[..., Any], record: str
) -> None:
    page = open_page()
    quotations = 0
    for path in everything(page, record):
        if not path.startswith("/claims/"):
            continue
        page.goto(record + path)
        view = page.request.get(f"{record}{path}.json").json()
        for number, position in enumerate(view["positions"]):
            column = page.locator(".side > article").nth(number)
            for words in column.locator("blockquote").all():
                quotations += 1
                below = words.locator("xpath=following-sibling::p[1]")
                link = below.locator("a[href^='/objects/']")
                assert link.get_attribute("href") == f"/objects/{position['sha256']}"
                told = below.inner_text()
                assert re.search(r"characters \d+ to \d+ of the text|hxxps?://", told), (path, told)
        # Sentences about a standing lead to what bears them out.
        for line in page.locator("section li.small").all():
            assert line.locator("a.ref[href^='/objects/']").count() >= 1, line.inner_text()
    assert quotations > 25
    held = page.request.get(record + f"/objects/{view['positions'][0]['sha256']}/bytes")
    assert held.status == 200
    assert view["positions"][0]["words"].encode() in held.body()


def test_every_side_has_the_same_size(open_page: Callable[..., Any], record: str) -> None:
    page = open_page(viewport={"width": 1280, "height": 900})
    for path in everything(page, record):
        if path.startswith("/claims/"):
            page.goto(record + path)
            sizes = page.eval_on_selector_all(
                ".side > article",
                "all => all.map(e => e.getBoundingClientRect())"
                ".map(r => [Math.round(r.width), Math.round(r.height)].join())",
            )
            assert len(set(sizes)) == 1, (path, sizes)


def test_the_tables_are_there_to_keep_and_every_page_works_without_javascript(
    open_page: Callable[..., Any], record: str
) -> None:
    page = open_page(java_script_enabled=False)
    for path in everything(page, record):
        assert page.goto(record + path).status == 200
        link = page.locator(".foot a", has_text="Its table as CSV").get_attribute("href")
        got = page.request.get(record + str(link))
        assert got.headers["content-type"] == "text/csv; charset=utf-8"
        assert len(got.text().splitlines()) >= 1
