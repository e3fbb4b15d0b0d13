"""The console in a real browser, against a real node process."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.browser.conftest import new_context, until

pytestmark = pytest.mark.browser

SHOTS = os.environ.get("TOCSIN_SHOTS")
"""A folder for a picture of each page, for people to look at."""
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "narrow": {"viewport": {"width": 360, "height": 800}},
    "forced": {"forced_colors": "active"},
    "zoomed": {"viewport": {"width": 320, "height": 256}},  # 1280 x 1024 at 400 %
    "rtl": {},
}
ARTICLE = """Northland says the port attack was run for Eastmere

NORTHPORT, Nov 20 - The intruders came in through a gateway, CERT Northland said on Wednesday.

"We found the same wiper on four servers," said Ana Ruiz, a spokeswoman for CERT Northland.

"Eastmere rejects these groundless accusations," said Jon Vale, a spokesman for the Eastmere
Foreign Ministry. He called for a joint inquiry.

The servers 198[.]51[.]100[.]77 and update.gridco-support[.]example were named.
"""


@pytest.fixture(scope="module")
def article(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "article.txt"
    path.write_text(ARTICLE, "utf-8")
    return path


@pytest.fixture(scope="module")
def paths(node: Any, chromium: Any, signed_in: dict[str, Any], article: Path) -> dict[str, str]:
    """One address of each kind of page, found by following links as a reader would."""
    context = new_context(chromium, storage_state=signed_in)
    page = context.new_page()

    def first(path: str, links: str) -> str:
        page.goto(node.url + path)
        found = page.locator(f"main a[href^='{links}']").first.get_attribute("href")
        assert found, f"no link {links} on {path}"
        return str(found)

    page.goto(node.url + "/ingest")
    page.set_input_files("#file", str(article))
    page.fill("input[name=published]", "2026-11-22")
    page.click("text=Read it")
    report = page.url.removeprefix(node.url)
    case = first("/cases", "/cases/case")
    found = {
        "now": "/",
        "ingest": "/ingest",
        "drafts": report,
        "cases": "/cases",
        "case": case,
        "claims": "/claims",
        "claim": first("/claims", "/claims/note"),
        "names": "/names",
        "log": "/log",
        "object": first(case, "/objects/"),
        "advisory": first(case, "/advisories/"),
    }
    context.close()
    return found


KINDS = (
    "now", "ingest", "drafts", "cases", "case", "claims", "claim", "names", "log", "object",
    "advisory",
)  # fmt: skip


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_is_quiet_and_fits(
    open_tab: Callable[..., Any], paths: dict[str, str], look: str
) -> None:
    tab = open_tab(**LOOKS[look])
    for kind in KINDS:
        answer = tab.goto(paths[kind] + ("?lang=ar" if look == "rtl" else ""))
        assert answer.status == 200, kind
        if look == "rtl":
            assert tab.page.evaluate("document.documentElement.dir") == "rtl"
        tab.page.wait_for_selector("html.js")
        wide = tab.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wide <= 0, f"{kind} is {wide} px too wide"
        assert tab.page.locator("main").is_visible()
        if SHOTS:
            tab.page.screenshot(path=f"{SHOTS}/{kind}-{look}.png", full_page=True)
    assert tab.messages == []
    assert tab.strays == []


def test_every_page_works_without_javascript(
    open_tab: Callable[..., Any], paths: dict[str, str]
) -> None:
    tab = open_tab(java_script_enabled=False)
    for kind in KINDS:
        assert tab.goto(paths[kind]).status == 200, kind
    tab.goto("/claims")
    tab.page.fill("main input[name=q]", "LOCKSTEP")
    tab.page.click("main button:has-text('Show')")
    assert "LOCKSTEP" in tab.page.inner_text("main table")


def test_every_link_leads_somewhere(open_tab: Callable[..., Any], paths: dict[str, str]) -> None:
    tab = open_tab()
    seen: set[str] = set()
    for kind in KINDS:
        tab.goto(paths[kind])
        for link in tab.page.locator("a[href^='/']").all():
            seen.add(str(link.get_attribute("href")))
    assert len(seen) > 15
    for path in sorted(seen):
        answer = tab.page.request.get(tab.node.url + path, max_redirects=0)
        assert answer.status == 200, path


def test_a_page_and_its_data_say_the_same(
    open_tab: Callable[..., Any], paths: dict[str, str]
) -> None:
    tab = open_tab()
    tab.goto(paths["claim"])
    data = tab.page.request.get(tab.node.url + paths["claim"] + ".json").json()
    columns = tab.page.locator(".side article")
    assert columns.count() == len(data["positions"]) + len(data["silent"])
    text = " ".join(tab.page.inner_text("main").split())
    for position in data["positions"]:
        if position["speaker"]:
            assert position["speaker"]["name"] in text
        assert position["word"] in text
    tab.goto(paths["case"])
    data = tab.page.request.get(tab.node.url + paths["case"] + ".json").json()
    assert tab.page.locator(".matrix tbody tr").count() == len(data["matrix"]["rows"])
    table = tab.page.locator("svg.timeline ~ details, .scroll + details").first
    assert table.locator("tbody tr").count() == len(data["marks"])


def test_columns_of_a_claim_are_equally_wide(
    open_tab: Callable[..., Any], paths: dict[str, str]
) -> None:
    tab = open_tab()
    for link in claim_links(tab):
        tab.goto(link)
        widths = tab.page.eval_on_selector_all(
            ".side > article", "all => all.map(e => Math.round(e.getBoundingClientRect().width))"
        )
        assert len(set(widths)) == 1
        heights = tab.page.eval_on_selector_all(
            ".side > article", "all => all.map(e => Math.round(e.getBoundingClientRect().height))"
        )
        assert len(set(heights)) == 1


def claim_links(tab: Any) -> list[str]:
    tab.goto("/claims")
    found = tab.page.eval_on_selector_all(
        "main tbody a", "all => all.map(a => a.getAttribute('href'))"
    )
    return [str(link) for link in found]


def test_swapping_the_names_changes_only_the_names(
    open_tab: Callable[..., Any], paths: dict[str, str]
) -> None:
    tab = open_tab()
    link = next(link for link in claim_links(tab) if swap_of(tab, link))
    tab.goto(link)
    form = tab.page.locator("#swap")
    one, two = form.get_attribute("data-a"), form.get_attribute("data-b")
    before = tab.page.evaluate("document.getElementById('main').innerHTML")
    words = tab.page.inner_text("main .side")
    tab.page.click("#swap-button")
    after = tab.page.inner_text("main .side")
    assert after != words
    assert after.count(one) == words.count(two)
    assert after.count(two) == words.count(one)
    tab.page.click("#swap-button")
    assert tab.page.evaluate("document.getElementById('main').innerHTML") == before
    assert tab.messages == []


def swap_of(tab: Any, link: str) -> bool:
    tab.goto(link)
    return bool(tab.page.locator("#swap").count())


def test_a_dropped_report_becomes_drafts_beside_its_words(
    open_tab: Callable[..., Any], paths: dict[str, str]
) -> None:
    tab = open_tab()
    tab.goto(paths["drafts"])
    data = tab.page.request.get(tab.node.url + paths["drafts"] + ".json").json()
    assert data["drafts"]
    source = tab.page.evaluate("document.getElementById('source').textContent")
    assert source == data["text"]
    for draft in data["drafts"]:
        start, end = draft["span"]
        marked = tab.page.evaluate(
            'id => [...document.querySelectorAll(`mark[data-drafts~="${id}"]`)]'
            ".map(m => m.textContent).join('')",
            f"m{draft['n']}",
        )
        assert marked == data["text"][start:end]


def test_a_draft_is_edited_rejected_and_accepted_without_javascript(
    open_tab: Callable[..., Any], node: Any, tmp_path: Path
) -> None:
    tab = open_tab(java_script_enabled=False)
    tab.goto("/ingest")
    tab.page.fill("#text", ARTICLE.replace("four servers", "five servers"))
    tab.page.fill("input[name=name]", "pasted.txt")
    tab.page.fill("input[name=published]", "2026-11-22")
    tab.page.click("text=Read it")
    assert "/drafts/" in tab.page.url
    claims = tab.page.locator(".draft:has(dt:text-is('speaker'))")
    assert claims.count() >= 2
    first = claims.nth(0)
    first.locator("summary:has-text('Edit')").click()
    first.locator("input[name=speaker]").fill("Somebody Else")
    first.locator("input[name=date]").fill("2026-11-18")
    first.locator("button:has-text('Save the edit')").click()
    assert "Done: edited" in tab.page.inner_text("main")
    first = tab.page.locator(".draft:has(dt:text-is('speaker'))").nth(0)
    assert "Somebody Else" in first.inner_text()
    assert "read as" in first.inner_text()
    first.locator("button:has-text('Accept')").click()
    assert "Done: accepted" in tab.page.inner_text("main")
    first = tab.page.locator(".draft:has(dt:text-is('speaker'))").nth(0)
    first.locator("a:has-text('the claim')").click()
    assert "Somebody Else" in tab.page.inner_text("main")
    tab.page.go_back()
    second = tab.page.locator(".draft:has(dt:text-is('speaker'))").nth(1)
    second.locator("summary:has-text('Reject')").click()
    second.locator("input[name=why]").fill("not what was said")
    second.locator("button:has-text('Reject it')").click()
    assert "not what was said" in tab.page.inner_text("main")


def test_drafts_are_gone_through_by_keys(
    open_tab: Callable[..., Any], paths: dict[str, str]
) -> None:
    tab = open_tab()
    tab.goto(paths["drafts"])
    tab.page.wait_for_selector("html.js")
    until(tab.page, "document.querySelectorAll('[data-draft]').length > 1")
    for _ in range(600):  # the script comes after the page: until then no key does anything
        tab.page.keyboard.press("Escape")
        if tab.page.evaluate("document.activeElement.id") == "source":
            break
        tab.page.wait_for_timeout(100)
    tab.page.keyboard.press("n")
    tab.page.wait_for_selector("#d1.on")
    assert tab.page.locator("mark.on").first.get_attribute("data-drafts") == "m1"
    tab.page.keyboard.press("n")
    tab.page.wait_for_selector("#d2.on")
    tab.page.keyboard.press("p")
    tab.page.wait_for_selector("#d1.on")
    tab.page.keyboard.press("a")
    assert "Accept" in tab.page.evaluate("document.activeElement.textContent")
    tab.page.keyboard.press("e")
    assert tab.page.locator("#d1 details[open] select").count() == 1
    tab.page.keyboard.press("r")  # typed into a field: not a command
    assert tab.page.locator("#d1 details[open]").count() == 1
    tab.page.keyboard.press("Escape")
    tab.page.keyboard.press("Escape")
    assert tab.page.evaluate("document.activeElement.id") == "source"
    assert tab.messages == []


def test_a_stale_tab_loses_nothing(open_tab: Callable[..., Any]) -> None:
    one = open_tab()
    one.goto("/ingest")
    one.page.fill("#text", ARTICLE.replace("four servers", "six servers"))
    one.page.click("text=Read it")
    path = one.page.url.removeprefix(one.node.url)
    two = open_tab()
    two.goto(path)
    for tab, word in ((one, "First Word"), (two, "Second Word")):
        card = tab.page.locator(".draft:has(dt:text-is('speaker'))").nth(0)
        card.locator("summary:has-text('Edit')").click()
        card.locator("input[name=speaker]").fill(word)
        with tab.page.expect_response(lambda r: r.request.method == "POST") as got:
            card.locator("button:has-text('Save the edit')").click()
        assert got.value.status == (303 if tab is one else 409)
    text = two.page.inner_text("main")
    assert "has changed since you saw it" in text
    assert "Second Word" in text
    assert "First Word" in text


def test_the_log_is_verified_in_the_browser(
    open_tab: Callable[..., Any], paths: dict[str, str]
) -> None:
    tab = open_tab()
    tab.goto("/log")
    copy = tab.node.url + "/log/copy.json"
    before = tab.page.request.get(copy).json()
    tab.page.click("#verify-log")
    tab.page.wait_for_selector("#steps .ok")
    assert "none fails" in tab.page.inner_text("#steps")
    assert tab.page.locator("#steps .ok").count() >= 4
    tab.page.fill("#tamper-entry", "7")
    tab.page.click("#tamper")
    tab.page.wait_for_selector("#steps .fail")
    text = tab.page.inner_text("#steps")
    assert "Entry 7:" in text
    assert "the log holds" in text
    tab.page.click("#verify-log")
    until(tab.page, "!document.querySelector('#steps .fail')")
    assert tab.messages == []
    after = tab.page.request.get(copy).json()
    assert after["entries"][: len(before["entries"])] == before["entries"]


def test_a_dossier_is_verified_in_the_browser(
    open_tab: Callable[..., Any], paths: dict[str, str], tmp_path: Path
) -> None:
    tab = open_tab()
    answer = tab.page.request.get(tab.node.url + paths["case"] + "/dossier")
    assert answer.status == 200
    assert answer.headers["content-disposition"].startswith("attachment")
    whole = answer.body()
    for name, raw, fails in (
        ("good.tocsin", whole, False),
        ("bad.tocsin", whole[:2000] + bytes([whole[2000] ^ 1]) + whole[2001:], True),
    ):
        (tmp_path / name).write_bytes(raw)
        tab.goto("/log")
        tab.page.wait_for_selector("#evidence:enabled")
        tab.page.set_input_files("#evidence", str(tmp_path / name))
        tab.page.wait_for_selector("#steps strong")
        assert bool(tab.page.locator("#steps .fail").count()) == fails, name
    assert tab.messages == []


def test_a_sheet_checks_itself(
    open_tab: Callable[..., Any], paths: dict[str, str], tmp_path: Path
) -> None:
    tab = open_tab()
    sheet = tab.page.request.get(tab.node.url + paths["case"] + "/sheet").body()
    (tmp_path / "case.html").write_bytes(sheet)
    tab.page.goto((tmp_path / "case.html").as_uri())
    tab.page.wait_for_selector("#tocsin-check[data-ok]")
    assert tab.page.get_attribute("#tocsin-check", "data-ok") == "true"


def test_keys_lead_through_the_console(open_tab: Callable[..., Any], paths: dict[str, str]) -> None:
    tab = open_tab()
    tab.goto("/")
    tab.page.keyboard.press("g")
    tab.page.keyboard.press("c")
    tab.page.wait_for_url("**/claims")
    tab.page.wait_for_selector("html.js")
    tab.page.keyboard.press("j")
    tab.page.keyboard.press("j")
    link = tab.page.evaluate("document.activeElement.querySelector('a').getAttribute('href')")
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_url("**" + link)
    tab.page.wait_for_selector("html.js")
    tab.page.keyboard.press("/")
    assert tab.page.evaluate("document.activeElement.id") == "find"
    tab.page.keyboard.type("g c ?")
    assert tab.page.input_value("#find") == "g c ?"
    tab.page.keyboard.press("Escape")
    tab.page.keyboard.press("?")
    assert tab.page.is_visible("#keys")


def test_everything_is_reached_by_keyboard(
    open_tab: Callable[..., Any], paths: dict[str, str]
) -> None:
    tab = open_tab()
    assert next(link for link in claim_links(tab) if swap_of(tab, link))
    tab.page.wait_for_selector("#swap-button:enabled")
    tab.page.keyboard.press("Tab")
    assert tab.page.evaluate("document.activeElement.className") == "skip"
    seen = set()
    for _ in range(120):
        tab.page.keyboard.press("Tab")
        where = tab.page.evaluate(
            "(() => { const e = document.activeElement; if (e === document.body) return '';"
            " const s = getComputedStyle(e);"
            " return e.tagName + '|' + (e.getAttribute('href') || e.id || e.textContent.trim())"
            " + '|' + s.outlineStyle; })()"
        )
        if not where:
            break
        assert not where.endswith("|none"), f"no visible focus on {where}"
        seen.add(where.rsplit("|", 1)[0])
    assert any("Swap" in s or "swap" in s for s in seen)
    assert any(s.startswith("A|/objects/") for s in seen)


def test_a_sign_in_link_works_once_and_gives_a_safe_cookie(chromium: Any, node: Any) -> None:
    link = node.fresh_link()
    context = new_context(chromium)
    page = context.new_page()
    page.goto(node.url + "/log")
    assert "not signed in" in page.inner_text("main")
    page.goto(link)
    page.click("main button")
    page.wait_for_url(node.url + "/")
    [cookie] = context.cookies()
    assert cookie["name"] == "__Host-tocsin"
    assert cookie["httpOnly"]
    assert cookie["secure"]
    assert cookie["sameSite"] == "Lax"
    page.goto(link)
    page.click("main button")
    assert "does not work any more" in page.inner_text("main")
    page.goto(node.url)
    page.click("text=Sign out")
    page.goto(node.url)
    assert "not signed in" in page.inner_text("main")
    context.close()


def test_another_sites_form_changes_nothing(
    open_tab: Callable[..., Any], node: Any, paths: dict[str, str]
) -> None:
    tab = open_tab()
    evil = (
        f"""<!doctype html><form method=post action="{node.url}/leave"><button>x</button></form>"""
    )
    tab.page.route("http://evil.example/", lambda r: r.fulfill(content_type="text/html", body=evil))
    tab.page.goto("http://evil.example/")
    with tab.page.expect_response(lambda r: r.url.endswith("/leave")) as got:
        tab.page.click("button")
    assert got.value.status == 403
    assert tab.goto("/").status == 200


def test_news_of_another_terminal_reach_an_open_page(
    open_tab: Callable[..., Any], node: Any, paths: dict[str, str]
) -> None:
    one, two = open_tab(), open_tab()
    one.goto("/")
    two.goto("/cases")
    case = paths["case"].rsplit("/", 1)[1]
    event = {"event": "case.stage", "item": case, "stage": "ACTIVE", "note": "again"}
    node.api("POST", f"/cases/{case}/events", json.dumps(event).encode())
    for tab in (one, two):
        tab.page.wait_for_selector("#news:not([hidden])")
        assert "1 new statement" in tab.page.inner_text("#news")


def test_copying_gives_the_real_address(
    open_tab: Callable[..., Any], paths: dict[str, str]
) -> None:
    tab = open_tab(permissions=["clipboard-read", "clipboard-write"])
    tab.goto(paths["case"])
    tab.page.wait_for_selector("html.js")
    row = tab.page.locator("#section-4 tr:has(.addr)").first
    shown = row.locator(".addr").first
    real = shown.get_attribute("data-real")
    assert "[.]" in shown.inner_text()
    assert "[.]" not in real
    row.locator("button").click()
    row.locator("button:has-text('Copied')").wait_for()
    assert tab.page.evaluate("navigator.clipboard.readText()") == real
    shown.evaluate("e => getSelection().selectAllChildren(e)")
    tab.page.keyboard.press("Control+c")
    assert tab.page.evaluate("navigator.clipboard.readText()") == real
    tab.page.click("[data-copy-link]")
    tab.page.locator("[data-copy-link]:has-text('Copied')").wait_for()
    assert tab.page.evaluate("navigator.clipboard.readText()") == tab.page.url


def test_printing_shows_the_content_and_not_the_controls(
    open_tab: Callable[..., Any], paths: dict[str, str]
) -> None:
    tab = open_tab()
    tab.goto(paths["claim"])
    tab.page.emulate_media(media="print")
    assert not tab.page.is_visible("nav")
    assert not tab.page.is_visible("#swap-button")
    assert tab.page.is_visible(".side article >> nth=0")


def test_a_page_is_small(open_tab: Callable[..., Any], paths: dict[str, str]) -> None:
    tab = open_tab()
    sizes: list[int] = []
    tab.page.on(
        "requestfinished",
        lambda r: sizes.append(sum(r.sizes()[k] for k in ("responseBodySize",))),
    )
    for kind in ("case", "claim", "log"):
        sizes.clear()
        tab.goto(paths[kind])
        tab.page.wait_for_timeout(200)
        assert sum(sizes) <= 60_000, kind
        elements = tab.page.evaluate("document.getElementsByTagName('*').length")
        assert elements <= 3000, kind


def test_hostile_strings_are_harmless_on_every_page(
    open_tab: Callable[..., Any],
    node: Any,
    corpus: Callable[[str], Path],
    paths: dict[str, str],
) -> None:
    """Said for real, by the API, in every field a statement lets a party fill."""
    strings = json.loads(corpus("console/untrusted-strings.json").read_text())["strings"]
    texts = [entry for entry in strings if "text" in entry]
    case = paths["case"].rsplit("/", 1)[1]
    made = hostile_bundle(node, texts)
    node.api("POST", f"/say?case={case}&tlp=AMBER", made)
    tab = open_tab()
    text = []
    for link in ["/", paths["case"], "/claims", "/log", *claim_links(tab)]:
        tab.goto(link)
        assert tab.page.evaluate("window.pwned") is None, link
        assert tab.page.evaluate("document.title").endswith("· tocsin"), link
        for bad in ("script:not([src])", "iframe", "img", "object", "embed", "base", "svg script"):
            assert tab.page.locator(bad).count() == 0, (link, bad)
        wide = tab.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wide <= 0, f"{link} is {wide} px too wide"
        text.append(" ".join(tab.page.inner_text("main").split()))
    shown = "\n".join(text)
    for entry in texts:
        for part in entry["shows"]:
            assert " ".join(part.split()) in shown, entry["id"]
        for chip in entry["chips"]:
            assert chip in shown, entry["id"]
        for script in entry.get("mixed_scripts", []):
            assert script in shown, entry["id"]
    assert tab.dialogs == []
    assert tab.strays == []
    assert tab.messages == []


def hostile_bundle(node: Any, texts: list[dict[str, Any]]) -> bytes:
    """Claims of this node's party whose words, gist, flags and grounds are hostile."""
    from tocsin.claims import write
    from tocsin.stix import ids
    from tocsin.stix.bundle import write_bundle

    listed = node.api("GET", "/parties")["items"]
    mine = next(p for p in listed if p["id"] == "cert.northland.example")
    me = mine["identity"]
    when = {"value": "2026-11-21", "precision": "day"}
    raws = []
    for n, entry in enumerate(texts):
        text = entry["text"]
        common: dict[str, Any] = {"created": "2026-11-21T08:00:00.000Z", "created_by_ref": me}
        who = ids.deterministic("identity", "hostile", str(n))
        note = ids.deterministic("note", "hostile", str(n))
        ground = ids.deterministic("grouping", "hostile", str(n))
        raws.append(write.identity_object(id=who, name=text, **common))
        raws.append(
            write.claim_object(
                id=note,
                claim_type="accusation",
                asserted_at=when,
                speaker_ref=who,
                addressee_refs=[who],
                speaker_as_printed=text,
                words={"text": text, "lang": "en", "source_url": "https://a.example/"},
                flags=[{"name": text[:200], "of": "outlet"}],
                **common,
            )
        )
        raws.append(
            write.evidence_object(
                id=ground,
                name=text,
                kind="telemetry",
                access="described",
                producer_refs=[who],
                published=when,
                **common,
            )
        )
        raws.append(
            write.link_object(
                id=ids.deterministic("relationship", "hostile", str(n)),
                kind="supports",
                source_ref=ground,
                target_ref=note,
                links=["activity"],
                **common,
            )
        )
    return write_bundle(raws, ids.deterministic("bundle", "hostile"))


def test_the_node_ends_with_streams_open(chromium: Any, start_node: Callable[..., Any]) -> None:
    node = start_node(exercise=False)
    contexts = []
    for _ in range(5):  # four streams each: a page, and three more
        context = new_context(chromium)
        contexts.append(context)
        page = context.new_page()
        page.goto(node.fresh_link())
        page.click("main button")
        page.wait_for_url(node.url + "/")
        page.evaluate(
            "for (let i = 0; i < 3; i++) (globalThis.held ??= []).push(new EventSource('/live'))"
        )
        until(page, "held.every((stream) => stream.readyState === EventSource.OPEN)")
    node.process.send_signal(signal.SIGINT)
    said, _ = node.process.communicate(timeout=120)
    assert node.process.returncode == 0
    assert "stopped" in said
    for context in contexts:
        context.close()
