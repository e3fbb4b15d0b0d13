"""A sheet opened from a file, without a network: it checks itself and reads like the case."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.browser.conftest import new_context
from tests.unit.cases.sheet_case import claim, disputed, page
from tests.unit.record.dossier_case import NORTH

from tocsin.cases.sheet import open_sheet, render_sheet
from tocsin.record.directory import fingerprint

pytestmark = pytest.mark.browser


class Opened:
    """A sheet in a browser whose network is off, and everything that happened there."""

    def __init__(self, chromium: Any, sheet: bytes, folder: Path, **options: Any) -> None:
        file = folder / "sheet.html"
        file.write_bytes(sheet)
        context = new_context(chromium, **options)
        context.set_offline(True)
        self.page = context.new_page()
        self.heard: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.heard.append(message.text))
        self.page.on("pageerror", lambda error: self.heard.append(str(error)))
        self.page.on("dialog", lambda dialog: self.heard.append(dialog.message))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(file.as_uri())
        self.uri = file.as_uri()

    def outcome(self) -> str:
        self.page.wait_for_selector("#tocsin-check[data-ok]")
        found: str = self.page.get_attribute("#tocsin-check", "data-ok")
        return found

    def steps(self) -> list[str]:
        found: list[str] = self.page.eval_on_selector_all(
            "#tocsin-check .step .answer", "all => all.map((one) => one.textContent)"
        )
        return found


CASE = disputed()
SHEET = render_sheet(CASE.dossier(), page())


def test_a_sheet_checks_itself_offline_and_shows_each_step(chromium: Any, tmp_path: Path) -> None:
    opened = Opened(chromium, SHEET, tmp_path)
    assert opened.outcome() == "true"
    answers = opened.steps()
    # The second signature of the log, ML-DSA-44, is checked where the browser can.
    assert answers.count("holds") in (11, 12)
    assert answers.count("not checked here") == 14 - answers.count("holds")
    assert fingerprint(CASE.root) in opened.page.inner_text(".fingerprint")
    assert fingerprint(CASE.root) in opened.page.inner_text("#tocsin-check .steps")
    assert opened.heard == []
    assert opened.requests == [opened.uri]


def test_a_sheet_with_another_dossier_inside_says_do_not_rely_on_it(
    chromium: Any, tmp_path: Path
) -> None:
    dossier = bytearray(open_sheet(SHEET))
    at = dossier.index(b"statements.jsonl") + 400
    dossier[at] ^= 1
    inner = base64.b64encode(open_sheet(SHEET))
    opened = Opened(chromium, SHEET.replace(inner, base64.b64encode(dossier)), tmp_path)
    assert opened.outcome() == "false"
    assert "FAILS" in opened.steps()
    assert "Do not rely on this" in opened.page.inner_text("#tocsin-check")


def test_a_sheet_whose_dossier_is_no_dossier_says_so(chromium: Any, tmp_path: Path) -> None:
    inner = base64.b64encode(open_sheet(SHEET))
    for other in (base64.b64encode(b"hello"), b"not base64 at all", b""):
        opened = Opened(chromium, SHEET.replace(inner, other), tmp_path)
        assert opened.outcome() == "false"


def test_a_changed_script_does_not_run(chromium: Any, tmp_path: Path) -> None:
    changed = SHEET.replace(b"const MISSING =", b"window.pwned = 1; const MISSING =")
    assert changed != SHEET
    opened = Opened(chromium, changed, tmp_path)
    opened.page.wait_for_timeout(300)
    assert opened.page.evaluate("window.pwned") is None
    assert opened.page.get_attribute("#tocsin-check", "data-ok") is None


def test_a_sheet_reads_the_same_without_scripts(chromium: Any, tmp_path: Path) -> None:
    opened = Opened(chromium, SHEET, tmp_path, java_script_enabled=False)
    text = opened.page.inner_text("body")
    assert text.startswith("What has been shown, not what is true.")
    assert "We did no such thing." in text
    assert "tocsin verify THIS-FILE.html" in text


def test_answers_have_equal_width_and_nothing_scrolls_sideways(
    chromium: Any, tmp_path: Path
) -> None:
    for width in (360, 1280):
        opened = Opened(chromium, SHEET, tmp_path, viewport={"width": width, "height": 800})
        assert opened.outcome() == "true"
        boxes = opened.page.eval_on_selector_all(
            ".position", "all => all.map((one) => Math.round(one.getBoundingClientRect().width))"
        )
        assert len(boxes) == 3
        assert len(set(boxes)) == 1
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= width


def test_hostile_strings_do_nothing(
    chromium: Any, tmp_path: Path, corpus: Callable[[str], Path]
) -> None:
    strings = json.loads(corpus("console/untrusted-strings.json").read_bytes())["strings"]
    texts = [one["text"] for one in strings if "text" in one]
    case = disputed(words=texts[0], title=texts[1])
    claims = [claim(100 + n, text) for n, text in enumerate(texts)]
    case.enter(NORTH, "say", {}, objects=claims, tlp="GREEN")
    opened = Opened(chromium, render_sheet(case.dossier(), page()), tmp_path)
    assert opened.outcome() == "true"
    assert opened.page.evaluate("window.pwned") is None
    assert opened.heard == []
    assert opened.requests == [opened.uri]
    assert opened.page.title().endswith("tocsin sheet")
    visible = " ".join(opened.page.inner_text("main").split())
    # The sheet has no links at all and prints addresses as they are; the console defangs them.
    defanged = ("[.]", "[@]", "hxxp")
    for one in strings:
        for shown in one.get("shows", ()) if "text" in one else ():
            if not any(mark in shown for mark in defanged):
                assert " ".join(shown.split()) in visible, one["id"]
