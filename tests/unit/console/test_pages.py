"""Every page drawn from views in which every text is hostile."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec
import pytest
from msgspec import Struct

from tocsin.console import case_pages, drafts, pages, record_pages, relate_pages, untrusted
from tocsin.console.app import Frame, Me, templates
from tocsin.console.assets import Assets
from tocsin.console.page import Drawn
from tocsin.flows import advise, respond, weighed
from tocsin.flows.witnessing import Alarm

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
ME = Me(name="anna", party="cert.northland.example", party_name="CERT Northland", role="signer")
TIMES = frozenset(
    {"received", "at", "due", "time", "since", "said_at", "published", "received_at"}
    | {"asked", "rsvp_by", "answered", "sign_by", "ends_at", "steps_since"}
)


def fill(kind: Any, text: str, name: str = "") -> Any:
    """A value of a type with `text` wherever a foreign text may stand."""
    origin = get_origin(kind)
    if kind is str:
        if name in TIMES:
            return "2026-11-21T09:30:00Z"
        if name in ("sha256", "id", "inputs_sha256", "text_sha256", "manifest_sha256"):
            return "ab" * 32
        if name == "href" or (name == "next" and kind is str):
            return "/somewhere"
        return text
    if kind is int:
        return 3
    if kind is bool:
        return True
    if kind is float:
        return 0.5
    if kind is Any:
        return text
    if origin is Literal:
        return get_args(kind)[0]
    if origin in (typing.Union, types.UnionType):
        return fill(next(a for a in get_args(kind) if a is not types.NoneType), text, name)
    if origin is tuple:
        inside = get_args(kind)
        if inside[-1] is Ellipsis:
            return (fill(inside[0], text, name), fill(inside[0], text, name))
        return tuple(fill(a, text, name) for a in inside)
    if origin is dict:
        return {text: fill(get_args(kind)[1], text, name)}
    if isinstance(kind, type) and issubclass(kind, Struct):
        hints = typing.get_type_hints(kind)
        return kind(**{f: fill(hints[f], text, f) for f in kind.__struct_fields__})
    raise AssertionError(f"cannot fill {kind}")


def draft_view(text: str) -> drafts.DraftsView:
    view: drafts.DraftsView = fill(drafts.DraftsView, text)
    row = view.drafts[0]
    fields = dict.fromkeys(drafts.SHOWN_OF_CLAIM, text)
    kinds = [
        msgspec.structs.replace(
            row,
            n=1,
            kind="claim",
            state="open",
            fields=fields,
            span=(0, 5),
            edited={"speaker": text},
        ),
        msgspec.structs.replace(
            row,
            n=2,
            kind="indicator",
            state="open",
            fields=dict.fromkeys(drafts.SHOWN_OF_INDICATOR, text),
            span=(2, 9),
        ),
        msgspec.structs.replace(row, n=3, kind="claim", state="accepted", fields=fields, span=None),
    ]
    loss = msgspec.structs.replace(view.losses[0], span=(1, 4))
    return msgspec.structs.replace(
        view,
        text=text + " and the rest of the report",
        drafts=tuple(kinds),
        losses=(loss,),
        stale=1,
    )


@cache
def drawn_pages(text: str) -> dict[str, Drawn]:
    """One of each page, full of `text`."""
    claim: weighed.ClaimPage = fill(weighed.ClaimPage, text)
    case: case_pages.CaseView = fill(case_pages.CaseView, text)
    marks = tuple(
        msgspec.structs.replace(m, lane=lane, who=n, learnt="2026-11-22T01:00:00Z")
        for n, (m, lane) in enumerate(zip(case.marks * 2, case_pages.LANES, strict=False))
    )
    case = msgspec.structs.replace(case, marks=marks)
    row: respond.CaseRow = fill(respond.CaseRow, text)
    return {
        "now": Drawn(template="now.html", view=fill(pages.NowView, text), key="now", title="Now"),
        "ingest": Drawn(
            template="ingest.html",
            view=fill(drafts.IngestView, text),
            key="ingest",
            title="Ingest",
        ),
        "drafts": drafts.draw_drafts(
            draft_view(text),
            cases=[row],
            parties=[("gridco.example", text)],
            may_publish=True,
            query={"did": text},
        ),
        "cases": Drawn(
            template="cases.html", view=fill(case_pages.CasesView, text), key="cases", title="Cases"
        ),
        "case": case_pages.draw_case(case, {}),
        "claims": Drawn(
            template="claims.html",
            view=fill(pages.ClaimsView, text),
            key="claims",
            title="Claims",
            more={"query": {"q": text, "by": text, "case": text}, "coder": None},
        ),
        "claim": pages.draw_claim(claim),
        "log": Drawn(
            template="log.html", view=fill(record_pages.LogView, text), key="log", title="Log"
        ),
        "fork": Drawn(
            template="fork.html",
            view=fill(record_pages.ForkView, text),
            key="log",
            title="Two histories",
        ),
        "object": Drawn(
            template="object.html",
            view=fill(record_pages.ObjectView, text),
            key="object",
            title="Object",
        ),
        "holders": Drawn(
            template="holders.html",
            view=fill(record_pages.HoldersView, text),
            key="log",
            title="Who still holds it",
        ),
        "names": Drawn(
            template="names.html",
            view=fill(relate_pages.NamesView, text),
            key="claims",
            title="Names",
        ),
        "overlap": Drawn(
            template="overlap.html",
            view=fill(relate_pages.OverlapView, text),
            key="claims",
            title="What is shared with groups",
        ),
        "advisory": case_pages.draw_advisory(fill(advise.AdvisoryPage, text)),
    }


PAGES = (
    "now", "ingest", "drafts", "cases", "case", "claims", "claim", "log", "fork", "object",
    "advisory", "holders", "names", "overlap",
)  # fmt: skip
ENV = templates(Assets.of_package())


def render(drawn: Drawn, alarms: tuple[Alarm, ...] = ()) -> str:
    frame = Frame(
        key=drawn.key,
        title=drawn.title,
        lang="en",
        dir="ltr",
        cli=drawn.cli,
        json="/x.json",
        alarms=alarms,
    )
    return ENV.get_template(drawn.template).render(
        page=frame, me=ME, now=NOW, view=drawn.view, **drawn.more
    )


class Reader(HTMLParser):
    """What a browser would make of a page: its elements, attributes, visible words."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.odd: list[str] = []
        self.words: list[str] = []
        self.title = ""
        self._stack: list[str] = []
        self.feed(html)
        self.close()
        self.text = " ".join("".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "link", "input", "br", "img", "line", "circle", "rect"):
            self._stack.append(tag)
        for key, value in attrs:
            if key.startswith("on") or key in ("style", "srcdoc", "autofocus"):
                self.odd.append(key)
            if key == "id" and value:
                self.ids.append(value)
            if key in ("href", "src", "action", "formaction") and value is not None:
                self.links.append(value)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if self._stack and self._stack[-1] == tag:
            self._stack.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag in self._stack:
            while self._stack.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if "title" in self._stack and "svg" not in self._stack:
            self.title += data
        elif "script" not in self._stack:
            self.words.append(data)


@pytest.fixture
def strings(corpus: Callable[[str], Path]) -> list[dict[str, Any]]:
    listed = json.loads(corpus("console/untrusted-strings.json").read_text())["strings"]
    return [entry for entry in listed if "text" in entry]


@cache
def rendered(name: str, text: str) -> tuple[str, Reader]:
    html = render(drawn_pages(text)[name])
    return html, Reader(html)


@pytest.mark.parametrize("name", PAGES)
def test_hostile_texts_add_nothing_to_a_page(name: str, strings: list[dict[str, Any]]) -> None:
    plain = Reader(render(drawn_pages("plain")[name]))
    allowed = set(plain.tags) | {"details", "summary", "span", "bdi"}
    for entry in strings:
        _, page = rendered(name, entry["text"])
        assert set(page.tags) <= allowed, entry["id"]
        assert not page.odd, entry["id"]
        assert page.title.endswith("· tocsin"), entry["id"]
        assert len(page.ids) == len(set(page.ids)), entry["id"]
        for link in page.links:
            assert link.startswith(("/", "#", "?")), (entry["id"], link)
            assert not link.startswith("//"), (entry["id"], link)


def test_hostile_texts_in_an_alarm_add_nothing_to_any_page(strings: list[dict[str, Any]]) -> None:
    drawn = drawn_pages("plain")["cases"]
    plain = Reader(render(drawn, (fill(Alarm, "plain"),)))
    for entry in strings:
        page = Reader(render(drawn, (fill(Alarm, entry["text"]),)))
        assert set(page.tags) <= set(plain.tags) | {"span", "bdi"}, entry["id"]
        assert page.links == plain.links, entry["id"]
        assert not page.odd, entry["id"]


@pytest.mark.parametrize("name", PAGES)
def test_hostile_texts_are_shown_as_they_must_be(name: str, strings: list[dict[str, Any]]) -> None:
    for entry in strings:
        html, page = rendered(name, entry["text"])
        text = page.text
        for part in entry["shows"]:
            assert " ".join(part.split()) in text, entry["id"]
        for chip in entry["chips"]:
            assert f'class="chip">{chip}<' in html or f'data-cp="{chip}"' in html, entry["id"]
        for script in entry.get("mixed_scripts", []):
            assert script in text, entry["id"]
        for absent in entry.get("absent", []):
            shown_somewhere = text.replace("2026", "")
            assert f" {absent} " not in shown_somewhere, entry["id"]


@pytest.mark.parametrize("name", PAGES)
def test_no_raw_control_or_direction_character_is_sent(
    name: str, strings: list[dict[str, Any]]
) -> None:
    for entry in strings:
        if entry["class"] not in ("bidi", "invisible", "control"):
            continue
        text = rendered(name, entry["text"])[1].text
        source_view = name in ("drafts", "object")  # keep their characters, behind a chip
        for chip in entry["chips"]:
            char = chr(int(chip[2:], 16))
            assert source_view or char not in text, entry["id"]


@pytest.mark.parametrize("name", PAGES)
def test_every_page_opens_with_what_it_shows(name: str) -> None:
    html = render(drawn_pages("plain")[name])
    main = html.split("<main", 1)[1]
    assert main.index("This page shows what has been shown, not what is true.") < 120


def test_a_mark_in_the_text_is_exactly_the_drafts_words() -> None:
    text = "a\u202eb “they did it”, she said.\r\n\u200bAnd more."
    view = draft_view(text)
    html = render(drafts.draw_drafts(view, cases=[], parties=[], may_publish=True, query={}))

    class Marks(HTMLParser):
        def __init__(self) -> None:
            super().__init__(convert_charrefs=True)
            self.open: list[str] = []
            self.words: dict[str, str] = {}
            self.source = ""
            self.deep = 0

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found = dict(attrs)
            if found.get("id") == "source":
                self.deep = 1
            elif self.deep and tag == "div":
                self.deep += 1
            if tag == "mark":
                self.open = (found["data-drafts"] or "").split()

        def handle_endtag(self, tag: str) -> None:
            if tag == "mark":
                self.open = []
            if tag == "div" and self.deep:
                self.deep -= 1

        def handle_data(self, data: str) -> None:
            if self.deep:
                self.source += data
                for draft in self.open:
                    self.words[draft] = self.words.get(draft, "") + data

    marks = Marks()
    marks.feed(html)
    assert marks.source == view.text
    assert marks.words["m1"] == view.text[0:5]
    assert marks.words["m2"] == view.text[2:9]


def test_no_cell_of_the_matrix_is_blank() -> None:
    case: case_pages.CaseView = fill(case_pages.CaseView, "x")
    cell = msgspec.structs.replace(
        case.matrix.rows[0].cells[0], word="no statement", signed=None, confidence=None
    )
    row = msgspec.structs.replace(case.matrix.rows[0], cells=(cell, cell))
    case = msgspec.structs.replace(case, matrix=msgspec.structs.replace(case.matrix, rows=(row,)))
    html = render(case_pages.draw_case(case, {}))
    assert html.count('<span class="none"><bdi class="t">no statement</bdi></span>') >= 2


def test_swapping_two_names_changes_only_the_names() -> None:
    """The page of a mirrored claim is the mirrored page: nothing depends on who is who."""
    one: weighed.ClaimPage = fill(weighed.ClaimPage, "NAMEA said this of NAMEB")
    mirrored = msgspec.json.decode(
        msgspec.json.encode(one)
        .replace(b"NAMEA", b"NAMEX")
        .replace(b"NAMEB", b"NAMEA")
        .replace(b"NAMEX", b"NAMEB"),
        type=weighed.ClaimPage,
    )
    there = render(pages.draw_claim(one))
    back = render(pages.draw_claim(mirrored))
    assert there != back
    swapped = back.replace("NAMEA", "NAMEX").replace("NAMEB", "NAMEA").replace("NAMEX", "NAMEB")
    assert swapped == there


def test_a_table_is_safe_in_a_spreadsheet() -> None:
    drawn = pages.draw_claim(fill(weighed.ClaimPage, "=HYPERLINK(1)"))
    assert drawn.table is not None
    made = untrusted.csv_table(*drawn.table)
    assert b"'=HYPERLINK(1)" in made
    assert b",=HYPERLINK" not in made


def test_a_copied_command_is_one_argument_a_word() -> None:
    import shlex

    from tocsin.console.page import command

    hostile = "%(pwned)s $(id) `id` ; rm -rf ~ && '\"\\"
    assert shlex.split(command("claims", hostile)) == ["tocsin", "claims", hostile]
