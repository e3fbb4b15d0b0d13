"""A real browser and a real node process, for the tests of this folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

PATIENCE_MS = 120_000
"""How long a page may take on a machine that does much else: only a hang takes longer."""
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


def new_context(browser: Any, **how: Any) -> Any:
    """A profile of its own, in which everything is waited for long enough."""
    context = browser.new_context(**how)
    context.set_default_timeout(PATIENCE_MS)
    return context


def until(page: Any, holds: str) -> None:
    """Wait until an expression holds.

    Playwright's own wait is evaluated by the page after its first look, and the pages forbid that.
    """
    last = time.monotonic() + PATIENCE_MS / 1000
    while not _holds(page, holds):
        assert time.monotonic() < last, f"not within {PATIENCE_MS / 1000:.0f} s: {holds}"
        page.wait_for_timeout(50)


def _holds(page: Any, expression: str) -> bool:
    try:
        # A page that is looked at again by itself may be there only in part: its end counts too.
        return bool(page.evaluate(f"document.readyState !== 'loading' && ({expression})"))
    except Exception as wrong:
        if "context was destroyed" in str(wrong):  # the page goes elsewhere: look at that one
            return False
        raise


def absent(what: str) -> None:
    """A loud skip; under CI=true a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A headless Chromium of this system."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        absent("playwright is not installed: the console was not looked at in a browser")
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        absent("no Chromium on this system: the console was not looked at in a browser")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


@dataclass
class NodeProcess:
    """A running `tocsin up` in a data folder of its own."""

    home: Path
    url: str
    link: str
    """A sign-in link that has not been spent."""
    process: subprocess.Popen[str]

    def api(self, method: str, path: str, body: bytes = b"", party: str = "") -> Any:
        """The HTTP API, with the token of the owner's terminal."""
        held = json.loads((self.home / "run" / "node.json").read_text("utf-8"))
        token = held["tokens"][party or "cert.northland.example"]
        request = urllib.request.Request(
            f"{self.url}/api/v1{path}",
            data=body or None,
            method=method,
            headers={"authorization": f"Bearer {token}"},
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.loads(answer.read())

    def fresh_link(self, role: str = "admin") -> str:
        """Another sign-in link."""
        wanted = json.dumps({"person": "operator", "role": role}).encode()
        return str(self.api("POST", "/links", wanted)["url"])


def start(home: Path) -> NodeProcess:
    """Start a node on a free port; returns once it has printed its link."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tocsin", "--home", str(home), "up", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    lines = []
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        line = process.stdout.readline()
        if not line:
            break
        lines.append(line)
        found = re.search(r"(http://\S+)(/enter/\S+)", line)
        if found:
            return NodeProcess(home=home, url=found[1], link=found[1] + found[2], process=process)
    process.kill()
    process.communicate()
    raise AssertionError("the node did not start:\n" + "".join(lines))


@pytest.fixture(scope="module")
def start_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., NodeProcess]]:
    """Starts nodes that end with the session."""
    started: list[NodeProcess] = []

    def go(*, exercise: bool = True) -> NodeProcess:
        home = tmp_path_factory.mktemp("node") / "home"
        made = ["demo", "reset"] if exercise else ["init", "--party", "cert.northland.example"]
        words = ["--home", str(home), *made]
        subprocess.run([sys.executable, "-m", "tocsin", *words], check=True, capture_output=True)
        node = start(home)
        started.append(node)
        return node

    yield go
    for node in started:
        if node.process.poll() is None:
            node.process.terminate()
        try:
            node.process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            node.process.kill()
            node.process.communicate()
        except ValueError:
            node.process.wait(60)  # a test has read its output to the end and closed it


@pytest.fixture(scope="module")
def node(start_node: Callable[..., NodeProcess]) -> NodeProcess:
    """The exercise, running. Shared: tests add to it, and take nothing away."""
    return start_node()


@dataclass
class Tab:
    """One signed-in page, and everything it has complained about."""

    page: Any
    node: NodeProcess
    messages: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def goto(self, path: str) -> Any:
        """Open an address of the node; returns the answer."""
        answer = self.page.goto(self.node.url + path)
        self.page.wait_for_load_state("load")
        return answer


@pytest.fixture(scope="module")
def signed_in(chromium: Any, node: NodeProcess) -> dict[str, Any]:
    """The storage state of one session, so that each test need not sign in anew."""
    context = new_context(chromium)
    page = context.new_page()
    page.goto(node.fresh_link())
    page.click("main button")
    page.wait_for_url(node.url + "/")
    state: dict[str, Any] = context.storage_state()
    context.close()
    return state


@pytest.fixture
def open_tab(
    chromium: Any, node: NodeProcess, signed_in: dict[str, Any]
) -> Iterator[Callable[..., Tab]]:
    """Opens tabs: `open_tab(color_scheme="dark", java_script_enabled=False, ...)`."""
    contexts: list[Any] = []

    def go(**how: Any) -> Tab:
        how.setdefault("viewport", {"width": 1280, "height": 900})
        how.setdefault("storage_state", signed_in)
        context = new_context(chromium, **how)
        contexts.append(context)
        tab = Tab(page=context.new_page(), node=node)
        tab.page.on("console", lambda message: tab.messages.append(message.text))
        tab.page.on("pageerror", lambda error: tab.messages.append(str(error)))

        def dialog(box: Any) -> None:
            tab.dialogs.append(box.message)
            box.dismiss()

        tab.page.on("dialog", dialog)

        def asked(request: Any) -> None:
            if not request.url.startswith((node.url, "data:")):
                tab.strays.append(request.url)

        tab.page.on("request", asked)
        return tab

    yield go
    for context in contexts:
        context.close()
