"""The Log and Fork pages with real witnesses and a real fork, in a real browser."""

from __future__ import annotations

import base64
import json
import re
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.browser.conftest import new_context
from tests.faults.node_process import NodeProcess, tocsin
from tests.faults.test_three_nodes import Nodes, eventually, opened, published, quorum, ready
from tests.faults.three_nodes import federation, witnessed_by
from tests.unit.record.dossier_case import LOG, ROOTS, SIGNERS, usual
from tests.unit.record.log_case import GrowingLog

from tocsin.canonical import b64encode
from tocsin.record import checkpoint as notes
from tocsin.record.fork import open_fork, verify_fork
from tocsin.record.statement import revoke_body
from tocsin.wiring.keys import load_log_signer

pytestmark = pytest.mark.browser

NORTH, SOUTH, EAST, WEST = (
    f"cert.{name}.example" for name in ("northland", "southmark", "eastmere", "westwater")
)
STATIC = Path(__file__).parents[2] / "src" / "tocsin" / "console" / "static"
FORKS = Path(__file__).parents[1] / "vectors" / "record" / "fork"


class Forked:
    """Northland's log ran twice, and southmark, witnessed by two others, has found it."""

    def __init__(self, folder: Path, nodes: Nodes) -> None:
        self.north, self.south, east, west = federation(folder, [NORTH, SOUTH, EAST, WEST])
        witnessed_by(self.north, [self.south], "1")
        copy = folder / "copy"
        shutil.copytree(self.north, copy)
        witnessed_by(copy, [east], "1")
        witness, second = nodes.up(east), nodes.up(copy, 0)
        ready(second)
        assert eventually(lambda: quorum(second, "to eastmere"))
        size = second.json("/log")["size"]
        second.stop()
        witness.stop()
        witness, first = nodes.up(self.south), nodes.up(self.north)
        ready(first)
        # Well ahead of what the other run got to, however often that had to say it again: which of
        # two heads has the log's own tree behind it must not hang on how busy the machine is.
        n = 0
        while n < 3 or first.json("/log")["size"] < size + 3:
            assert eventually(partial(quorum, first, f"to southmark {n}"))
            n += 1
        first.stop()
        witness.stop()
        witnessed_by(self.south, [east, west], "1")
        self.southmark = nodes.up(self.south)
        for home in (east, west):
            nodes.up(home)
        ready(self.southmark)
        self.northland = nodes.up(self.north)
        assert eventually(lambda: published(self.southmark))
        eventually(lambda: self.northland.json("/log")["halted"])
        assert eventually(partial(quorum, self.southmark, "first"))
        self.older = eventually(self.cosigned)
        self.said = opened(self.southmark, "second")["statement"]["id"]
        assert eventually(partial(quorum, self.southmark, "third"))
        status, proof = self.southmark.ask(f"/log/fork/bytes?log={NORTH}/log")
        assert status == 200
        self.fork = proof

    def checkpoint(self) -> str:
        """What southmark publishes now."""
        with urllib.request.urlopen(self.southmark.url + "/tlog/checkpoint") as answer:
            return str(answer.read().decode())

    def cosigned(self) -> str | None:
        """The newest checkpoint, once a witness has signed it: published copies lag a moment."""
        text = self.checkpoint()
        return text if "/witness" in text else None

    def signed(self, size: int, root: bytes) -> str:
        """A note that southmark's own keys sign, of whatever size and root."""
        head = notes.Checkpoint(origin=f"{SOUTH}/log", size=size, root=root)
        signer = load_log_signer(self.south, SOUTH)
        return notes.sign_checkpoint(head, signer, 1_795_000_000).decode()


@pytest.fixture(scope="module")
def forked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forked]:
    nodes = Nodes()
    with nodes.stack:
        yield Forked(tmp_path_factory.mktemp("forked"), nodes)


@pytest.fixture(scope="module")
def states(chromium: Any, forked: Forked) -> dict[str, Any]:
    """Signed in once at each of both nodes."""
    found = {}
    for node in (forked.southmark, forked.northland):
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
    """Opens a page of a node; fails if it complains, asks elsewhere or shows a dialog."""
    contexts: list[Any] = []
    wrong: list[str] = []

    def go(node: NodeProcess, path: str = "/log", **how: Any) -> Any:
        how.setdefault("viewport", {"width": 1280, "height": 900})
        context = new_context(chromium, storage_state=states[node.url], **how)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))

        def dialog(box: Any) -> None:
            wrong.append(box.message)
            box.dismiss()

        page.on("dialog", dialog)

        def asked(request: Any) -> None:
            if not request.url.startswith((node.url, "data:")):
                wrong.append(request.url)

        page.on("request", asked)
        assert page.goto(node.url + path).status == 200
        page.wait_for_selector("#verify-log:enabled, #verify-fork:enabled")
        return page

    yield go
    for context in contexts:
        context.close()
    assert wrong == []


def steps(page: Any) -> list[tuple[str, str]]:
    """(holds, fails, skipped or note, words) of each step, once all are shown."""
    page.wait_for_selector("#steps strong")
    states = {"ok": "holds", "fail": "fails", "skip-step": "skipped", "": "note"}
    found = page.eval_on_selector_all(
        "#steps li", "all => all.map(e => [e.className, e.innerText])"
    )
    return [(states[name], words) for name, words in found]


def pasted(page: Any, text: str) -> list[tuple[str, str]]:
    """The steps of a text that is pasted."""
    page.locator("summary:has-text('Or paste its text')").click()
    page.fill("#pasted", text)
    page.evaluate("document.getElementById('steps').replaceChildren()")
    page.click("#check-pasted")
    found = steps(page)
    page.locator("summary:has-text('Or paste its text')").click()
    return found


def given(page: Any, **files: bytes) -> list[tuple[str, str]]:
    """The steps of files that are given, all at once."""
    page.evaluate("document.getElementById('steps').replaceChildren()")
    page.set_input_files(
        "#evidence",
        [
            {"name": name, "mimeType": "application/octet-stream", "buffer": raw}
            for name, raw in files.items()
        ],
    )
    return steps(page)


def failing(found: list[tuple[str, str]]) -> list[str]:
    return [words for state, words in found if state == "fails"]


def test_each_witness_of_this_log_is_a_step_with_its_time(
    forked: Forked, look: Callable[..., Any]
) -> None:
    page = look(forked.southmark)
    page.click("#verify-log")
    found = steps(page)
    assert failing(found) == []
    cosigned = [words for state, words in found if state == "holds" and "Witness" in words]
    whole = [w for w in cosigned if re.search(r"at 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", w)]
    assert len(whole) == len(cosigned) >= 1
    assert {name for name in (EAST, WEST) if any(f"{name}/witness" in w for w in cosigned)}
    assert any("enough witnesses" in words for state, words in found if state == "holds")


def test_a_policy_of_ones_own_decides_instead_of_the_nodes_directory(
    forked: Forked, look: Callable[..., Any]
) -> None:
    page = look(forked.southmark)
    vkeys = load_log_signer(forked.south, SOUTH).vkeys()
    other = GrowingLog(load_log_signer(forked.north, NORTH)).keys[0].text
    for policy, word in (
        (f"log {vkeys[0]}\nquorum none\n", "no witness is asked for"),
        (f"log {vkeys[0]}\nwitness w {other}\nquorum w\n", "too few witnesses"),
    ):
        page.locator("summary:has-text('Your own policy')").click()
        page.set_input_files(
            "#policy", [{"name": "p", "mimeType": "text/plain", "buffer": policy.encode()}]
        )
        found = pasted(page, forked.checkpoint())
        assert any("policy file you gave" in words for _, words in found)
        assert any(word in words and "your policy" in words for _, words in found)
        page.locator("summary:has-text('Your own policy')").click()


def test_a_pasted_checkpoint_is_compared_with_the_copy_of_this_log(
    forked: Forked, look: Callable[..., Any]
) -> None:
    page = look(forked.southmark)
    newest = eventually(forked.cosigned)
    size = int(newest.split("\n")[1])
    found = pasted(page, newest)
    assert failing(found) == []
    assert any("copy of the log has the same root" in words for _, words in found)
    found = pasted(page, forked.older)
    assert failing(found) == []
    assert any(f"of {size}, has the same root" in words for _, words in found)
    found = pasted(page, forked.signed(size + 40, b"\x07" * 32))
    assert ("skipped", size) in [(s, size) for s, words in found if "It may be newer" in words]
    assert page.inner_text("#split") == ""
    # The text of a note changes: its signatures fail, and nothing follows about the log.
    forged = newest.replace(f"\n{size}\n", f"\n{size - 1}\n", 1)
    found = pasted(page, forged)
    assert len(failing(found)) >= 3
    assert any("anybody can write such a note" in words for _, words in found)
    assert page.inner_text("#split") == ""


def test_two_heads_stand_side_by_side_with_what_to_do(
    forked: Forked, look: Callable[..., Any]
) -> None:
    fork = open_fork(forked.fork)
    keys = [notes.open_vkey(v) for v in load_log_signer(forked.north, NORTH).vkeys()]
    page = look(forked.northland)
    found = []
    for note in (fork.a, fork.b):  # one of both is of this copy of the log
        found = pasted(page, note.decode())
        if any("computed here, and the checkpoint says" in words for words in failing(found)):
            break
    assert any("computed here, and the checkpoint says" in words for words in failing(found))
    cards = page.locator("#split .card")
    assert cards.count() == 2
    boxes = [cards.nth(n).bounding_box() for n in range(2)]
    assert boxes[0]["y"] == boxes[1]["y"]
    assert boxes[0]["width"] == boxes[1]["width"]
    words = page.inner_text("#split")
    assert "tocsin log audit" in words
    assert "Keep both" in words
    assert "other members" in words
    assert not re.search(r"guilty|cheat|lie[sd]?\b|fraud|malicious|attacker|dishonest", words, re.I)
    # What the page offers to pass on is good for whoever checks it.
    proof = page.get_attribute("#split button:has-text('fork proof')", "data-copy")
    verify_fork(open_fork(proof.encode()), keys)
    # One size, two roots.
    page = look(forked.southmark)
    size = int(forked.checkpoint().split("\n")[1])
    pasted(page, forked.signed(size, b"\x07" * 32))
    proof = page.get_attribute("#split button:has-text('fork proof')", "data-copy")
    keys = [notes.open_vkey(v) for v in load_log_signer(forked.south, SOUTH).vkeys()]
    verify_fork(open_fork(proof.encode()), keys)


def test_a_checkpoint_of_another_log_is_compared_with_what_the_witness_holds(
    forked: Forked, look: Callable[..., Any]
) -> None:
    page = look(forked.southmark)
    fork = open_fork(forked.fork)
    for note in (fork.a, fork.b):
        found = pasted(page, note.decode())
        assert failing(found) == []
        assert any("witness" in words and "cosigned" in words for _, words in found)
        assert any("does not name this log" in words for _, words in found)


def test_a_proof_is_checked_with_or_without_its_statement(
    forked: Forked, look: Callable[..., Any]
) -> None:
    page = look(forked.southmark)
    _, proof = forked.southmark.ask(f"/api/v1/log/proof?id={forked.said}")
    _, envelope = forked.southmark.ask(f"/api/v1/statements/{forked.said}")
    found = pasted(page, proof.decode())
    assert failing(found) == []
    assert any("which nothing signs" in words for _, words in found)
    found = given(page, proof=proof, envelope=envelope)
    assert failing(found) == []
    assert any("its id follows from its bytes" in words for _, words in found)
    other = forked.southmark.json("/statements?limit=1")["items"][0]["id"]
    _, wrong = forked.southmark.ask(f"/api/v1/statements/{other}")
    found = given(page, proof=proof, envelope=wrong)
    assert len(failing(found)) == 2
    row = next(r for r in proof.decode().split("\n")[3:] if r)
    spoiled = proof.replace(row.encode(), b64encode(b"\x09" * 32).encode(), 1)
    assert any("leads to" in words for words in failing(given(page, proof=spoiled)))
    assert failing(pasted(page, "nothing of the kind")) != []
    found = given(page, envelope=envelope)
    assert [state for state, _ in found] == ["holds", "skipped"]


def test_a_dossier_and_a_sheet_are_known_by_their_content(
    forked: Forked, look: Callable[..., Any], tmp_path: Path
) -> None:
    page = look(forked.southmark)
    case = json.loads(
        base64.b64decode(
            json.loads(forked.southmark.ask(f"/api/v1/statements/{forked.said}")[1])["payload"]
        )
    )["case"]
    for kind in ("dossier", "sheet"):
        tocsin(forked.south, "export", case, "--as", kind, "--out", str(tmp_path / kind))
        raw = (tmp_path / kind).read_bytes()
        found = given(page, named_otherwise=raw)
        assert failing(found) == []
        assert sum(state == "holds" for state, _ in found) >= 8
        assert any("was not compared" in words for _, words in found) == (kind == "sheet")


def test_the_fork_page_proves_both_heads_in_the_browser(
    forked: Forked, look: Callable[..., Any]
) -> None:
    page = look(forked.southmark, f"/log/fork?log={NORTH}/log")
    page.click("#verify-fork")
    found = steps(page)
    assert failing(found) == []
    for which in ("head a", "head b"):
        assert any(
            state == "holds" and "Ed25519 signature" in words and which in words
            for state, words in found
        )
    # Which two of its heads others got hold of is chance: of one size, or the path tells.
    apart = ("two histories", "and of two roots")
    assert any(one in words for state, words in found if state == "holds" for one in apart)
    # Keys of another log prove nothing.
    policy = f"log {load_log_signer(forked.south, SOUTH).vkeys()[0]}\nquorum none\n"
    page.locator("summary:has-text('Your own policy')").click()
    page.set_input_files(
        "#policy", [{"name": "p", "mimeType": "text/plain", "buffer": policy.encode()}]
    )
    page.evaluate("document.getElementById('steps').replaceChildren()")
    page.click("#verify-fork")
    found = steps(page)
    assert sum(state == "skipped" for state, _ in found) >= 2
    assert any("nothing follows from it about the log" in words for _, words in found)


def alone(chromium: Any) -> Any:
    """A page with the scripts and nothing else; every request is answered from memory."""
    page = new_context(chromium).new_page()

    def answer(route: Any) -> None:
        name = route.request.url.rsplit("/", 1)[1]
        if name.endswith(".js"):
            body = (STATIC / name).read_text(encoding="utf-8")
            route.fulfill(status=200, content_type="text/javascript", body=body)
        else:
            route.fulfill(status=200, content_type="text/html", body="<title>-</title>")

    page.route("**/*", answer)
    page.goto("https://tocsin.example/")
    return page


@pytest.mark.parametrize(
    ("author", "kind", "holds"),
    [(EAST, "ack", True), (NORTH, "ack", False), (EAST, "revoke", False)],
)
def test_a_proof_of_what_is_sealed_holds_for_its_own_authors_statement(
    chromium: Any, author: str, kind: str, holds: bool
) -> None:
    """As record/evidence.py and verify.py have it: tests/properties/test_verify_agrees.py."""
    case = usual()
    body: dict[str, Any] = {"heads": []}
    signer = SIGNERS[EAST]
    if kind == "revoke":
        signer, body = ROOTS[EAST], revoke_body(signer.keyid, "stolen")
    raw = case.enter(EAST, kind, body, signer=signer, sealed=author)
    index = len(case.raws) - 1
    page = alone(chromium)
    for extra in (case.entry(index).encode(), b""):
        proof = notes.write_proof(index, case.path(index, index + 1), case.note(), extra)
        found = page.evaluate(
            """async ([proof, raw, vkeys]) => {
              const { checkGiven } = await import('/evidence.js');
              const policy = 'quorum none\\n';
              const logs = [{ vkeys }];
              const keys = { origin: '', policy, witnesses: [], logs, witnessed: [] };
              const given = [proof, raw].map((text) => ({ bytes: new TextEncoder().encode(text) }));
              const own = { policyText: null, rootBytes: null, copies: { keys: async () => keys } };
              const { steps } = await checkGiven(given, own);
              return steps.map((step) => [step.state, step.text]);
            }""",
            [proof.decode(), raw.decode(), list(LOG.vkeys())],
        )
        assert any("Its author has sealed it" in words for _, words in found) is holds
        assert all(state != "fail" for state, _ in found) is holds
    page.close()


def test_every_vector_of_fork_proofs_is_judged_as_it_expects(chromium: Any) -> None:
    page = alone(chromium)
    wrong = []
    for path in sorted(FORKS.glob("*.txt")):
        head, _, body = path.read_text(encoding="utf-8").partition("\n\n")
        case = dict(row.split(": ", 1) for row in head.splitlines())
        found = page.evaluate(
            """async ([text, vkeys]) => {
              const { checkGiven } = await import('/evidence.js');
              const policy = 'quorum none\\n';
              const keys = { origin: '', policy, witnesses: [], logs: [{ vkeys }] };
              const copies = { keys: async () => keys };
              const given = [{ bytes: new TextEncoder().encode(text) }];
              const own = { policyText: null, rootBytes: null, copies };
              const { steps } = await checkGiven(given, own);
              return steps.map((step) => step.state);
            }""",
            [body.removesuffix("\n"), case["keys"].split()],
        )
        good = "fail" not in found and "skip" not in found
        if good != (case["expect"] == "ok"):
            wrong.append((path.stem, case["why"], found))
    page.close()
    assert wrong == []


def test_a_note_with_hostile_names_adds_nothing_to_the_page(
    forked: Forked, look: Callable[..., Any]
) -> None:
    page = look(forked.southmark)
    before = page.evaluate("document.querySelectorAll('img,script,iframe,a,form').length")
    for name in ("<img/src=x>", "\u202eevil\u202c", "x" * 5000, "a\u200bb"):
        line = f"— {name} {base64.b64encode(bytes(70)).decode()}\n"
        pasted(page, forked.checkpoint() + line)
        pasted(page, f"{name}\n5\n{base64.b64encode(bytes(32)).decode()}\n\n{line}")
        text = page.inner_text("#steps")
        assert "\u202e" not in text
        assert len(text) < 6000
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(wide) <= 0
    assert page.evaluate("document.querySelectorAll('img,script,iframe,a,form').length") == before


BASICS = """() => {
  const wrong = [];
  const main = document.querySelector('main');
  let last = 0;
  for (const h of main.querySelectorAll('h1,h2,h3,h4')) {
    const level = Number(h.tagName[1]);
    if (level > last + 1) wrong.push(`heading ${h.textContent} jumps from ${last} to ${level}`);
    last = level;
  }
  for (const table of main.querySelectorAll('table')) {
    const heads = [...table.querySelectorAll('thead th')];
    if (!heads.length || !heads.every((th) => th.scope)) wrong.push('the heads of a table');
  }
  for (const field of main.querySelectorAll('input,textarea,select')) {
    if (!field.labels.length) wrong.push(`no label: ${field.id}`);
  }
  for (const s of main.querySelectorAll('[aria-labelledby]')) {
    if (!document.getElementById(s.getAttribute('aria-labelledby'))) wrong.push('a label');
  }
  const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);
  if (new Set(ids).size !== ids.length) wrong.push('an id twice');
  const light = (color) => {
    const [r, g, b] = color.match(/[0-9.]+/g).map(Number).map((c) => c / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  for (const e of main.querySelectorAll('*')) {
    const words = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!words || !e.checkVisibility() || e.closest(':disabled')) continue;
    let ground = e;
    const back = (at) => getComputedStyle(at).backgroundColor;
    while (ground.parentElement && /, 0\\)$/.test(back(ground))) ground = ground.parentElement;
    const [a, b] = [getComputedStyle(e).color, back(ground)];
    const [hi, lo] = [light(a), light(b)].sort((x, y) => y - x);
    const words30 = e.textContent.slice(0, 30);
    if ((hi + 0.05) / (lo + 0.05) < 4.5) wrong.push(`contrast of ${words30}: ${a} on ${b}`);
  }
  return wrong;
}"""

LOOKS: dict[str, dict[str, Any]] = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 800}},
    "narrow": {"viewport": {"width": 1000, "height": 800}},
}


@pytest.mark.parametrize("how", LOOKS)
def test_both_pages_fit_and_are_for_everyone(
    forked: Forked, look: Callable[..., Any], how: str
) -> None:
    fork = open_fork(forked.fork)
    page = look(forked.northland, **LOOKS[how])
    for note in (fork.a, fork.b):
        pasted(page, note.decode())
        if page.inner_text("#split"):
            break
    assert page.evaluate(BASICS) == []
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(wide) <= 0
    over = page.eval_on_selector_all(
        "main table", "all => all.filter(t => t.scrollWidth > t.parentElement.clientWidth).length"
    )
    assert over == 0
    assert page.locator("[role=alert]").count() == 1
    page = look(forked.northland, f"/log/fork?log={NORTH}/log", **LOOKS[how])
    page.click("#verify-fork")
    steps(page)
    assert page.evaluate(BASICS) == []
    assert page.evaluate(wide) <= 0


def test_the_page_its_json_and_its_table_say_the_same(
    forked: Forked, look: Callable[..., Any]
) -> None:
    page = look(forked.southmark)
    text = page.inner_text("main")
    view = page.request.get(forked.southmark.url + "/log.json").json()
    assert {w["key"] for w in view["witnessing"]["witnesses"]} == {
        f"{EAST}/witness",
        f"{WEST}/witness",
    }
    for row in view["witnessing"]["witnesses"]:
        assert row["key"] in text
    assert [f["origin"] for f in view["witnessing"]["forks"]] == [f"{NORTH}/log"]
    assert [a["kind"] for a in view["alarms"]] == ["fork"]
    rows = page.request.get(forked.southmark.url + "/log.csv").text().splitlines()
    assert len(rows) == 1 + len(view["statements"]) == 1 + page.locator("tr[data-row]").count()
    fork = page.request.get(f"{forked.southmark.url}/log/fork.json?log={NORTH}/log").json()
    assert len(fork["heads"]) == 2
    rows = page.request.get(f"{forked.southmark.url}/log/fork.csv?log={NORTH}/log").text()
    assert len(rows.splitlines()) == 3


def test_a_purged_statement_keeps_its_place_on_page_data_and_in_the_checks(
    forked: Forked, look: Callable[..., Any]
) -> None:
    found = opened(forked.southmark, "said by mistake")["statement"]
    words = ("--why", "said by mistake", "--local-only", "--yes")
    tocsin(forked.south, "purge", found["id"], *words)
    page = look(forked.southmark)
    row = page.locator(f"tr[data-row]:has(bdi[title='{found['id']}'])")
    assert "withheld: purged" in row.inner_text()
    view = page.request.get(forked.southmark.url + "/log.json").json()
    [seen] = [s for s in view["statements"] if s["id"] == found["id"]]
    assert seen["what"] == "withheld: purged"
    rows = page.request.get(forked.southmark.url + "/log.csv").text().splitlines()
    assert any(found["id"] in line and "withheld: purged" in line for line in rows)
    page.click("#verify-log")
    checked = steps(page)
    assert failing(checked) == []
    assert any("not held here any more" in text for _, text in checked)


def test_every_check_is_reached_by_keyboard(forked: Forked, look: Callable[..., Any]) -> None:
    page = look(forked.southmark)
    page.locator("#verify-log").focus()
    seen = set()
    for _ in range(14):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    assert {"tamper", "tamper-entry", "evidence", "SUMMARY"} <= seen
    page.keyboard.press("Escape")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("v")
    assert failing(steps(page)) == []
    page = look(forked.southmark, f"/log/fork?log={NORTH}/log")
    page.keyboard.press("v")
    assert failing(steps(page)) == []


def test_an_alarm_about_a_log_stands_on_every_page_and_nothing_else_alarms(
    forked: Forked, look: Callable[..., Any]
) -> None:
    page = look(forked.southmark)
    assert page.locator("[role=alert]").count() == 1
    page.goto(forked.southmark.url + "/cases")
    assert page.inner_text("[role=alert]").startswith("1 alarm.")
    page.click("[role=alert] a")
    assert page.url.endswith("/log#alarms")


def test_without_a_witness_the_page_says_how_to_get_one(open_tab: Callable[..., Any]) -> None:
    tab = open_tab()
    tab.goto("/log")
    tab.page.locator("summary:has-text('How to get a witness')").click()
    words = tab.page.inner_text("section[aria-labelledby=wit]")
    assert "tocsin witness add PARTY" in words
    assert "tocsin witness quorum 1" in words
    assert "exercise" in words
    assert tab.page.locator("[role=alert]").count() == 0
