"""The page: says first what it is, shows everything, does nothing."""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tocsin.advisory.model import Advisory, Author, ClaimLine, IndicatorLine
from tocsin.advisory.render import defang, pieces, render_html


def _advisory(**change: Any) -> Advisory:
    whole = Advisory(
        id="advisory--55555555-5555-4555-8555-555555555555",
        rev=1,
        tracking_id="cert.northland.example-2026-1",
        title="LOCKSTEP at power operators",
        lang="en",
        tlp="GREEN",
        date="2026-02-03T09:00:00.000Z",
        k=2,
        of=3,
        authors=(
            Author(
                party="cert.northland.example",
                name="CERT Northland",
                identity="identity--11111111-1111-4111-8111-111111111111",
                capacity="author",
            ),
        ),
        summary="First paragraph.\n\nSecond paragraph.",
        claims=(
            ClaimLine(
                id="note--22222222-2222-4222-8222-222222222222",
                type="attribution",
                words="The relay was run for Eastmere.",
                quoted=True,
                lang="en",
                speaker="CERT Northland",
                said_at="3 February 2026",
                standing="one root",
                denials=1,
            ),
        ),
        indicators=(
            IndicatorLine(
                id="indicator--33333333-3333-4333-8333-333333333333",
                name="relay",
                pattern="[url:value = 'https://relay.westwater.example/a']",
            ),
        ),
    )
    return replace(whole, **change)


class Page(HTMLParser):
    """The elements, attributes and visible text of a page."""

    def __init__(self, html: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.text: list[str] = []
        self._in: list[str] = []
        self.feed(html.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in ("meta", "link", "br"):
            self._in.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._in.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "title"} & set(self._in):
            self.text.append(data)

    @property
    def shown(self) -> str:
        return " ".join("".join(self.text).split())


ELEMENTS = frozenset(
    {
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "header",
        "main",
        "footer",
        "section",
        "article",
        "h1",
        "h2",
        "h3",
        "p",
        "ul",
        "li",
        "dl",
        "dt",
        "dd",
        "div",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "blockquote",
        "code",
        "em",
        "strong",
        "span",
        "bdi",
    }
)


def filled(text: str) -> Advisory:
    """An advisory that says `text` in every field a party can fill."""
    return _advisory(
        tracking_id=text,
        title=text,
        lang=text,
        date=text,
        summary=text,
        authors=(Author(party=text, name=text, identity=text, capacity=text),),
        claims=(
            ClaimLine(
                id=text,
                type=text,
                words=text,
                quoted=True,
                lang=text,
                speaker=text,
                said_at=text,
                standing=text,
            ),
            ClaimLine(
                id=text,
                type=text,
                words=text,
                quoted=False,
                lang=text,
                speaker=text,
                said_at=text,
                standing=text,
                rivals=2,
            ),
        ),
        indicators=(IndicatorLine(id=text, name=text, pattern=text, valid_until=text),),
        objects=(),
    )


def test_the_first_thing_on_the_page_is_what_it_is() -> None:
    shown = Page(render_html(_advisory())).shown
    assert shown.startswith("TLP:GREEN What has been shown, not what is true.")
    assert shown.endswith("advisory--55555555-5555-4555-8555-555555555555")


def test_the_page_says_everything_in_the_source() -> None:
    shown = Page(render_html(_advisory())).shown
    for words in (
        "LOCKSTEP at power operators",
        "cert[.]northland[.]example",
        "CERT Northland",
        "2 of 3",
        "First paragraph.",
        "Second paragraph.",
        "attribution",
        "The relay was run for Eastmere.",
        "one root",
        "1 denial on record",
        "none on record",
        "hxxps://relay[.]westwater[.]example/a",
        "TLP:GREEN",
    ):
        assert words in shown


def test_the_page_runs_nothing_and_fetches_nothing() -> None:
    html = render_html(_advisory())
    page = Page(html)
    assert set(page.tags) <= ELEMENTS
    assert not [
        name for _, name, _ in page.attributes if name in ("href", "src", "style", "action")
    ]
    policy = next(
        value
        for tag, name, value in page.attributes
        if tag == "meta" and "default-src" in str(value)
    )
    style = re.search(rb"<style>(.*?)</style>", html, re.S)
    assert style is not None
    digest = b64encode(hashlib.sha256(style[1]).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    assert b"url(" not in style[1]
    assert b"@import" not in style[1]
    assert b"prefers-color-scheme: dark" in style[1]
    assert b"@media print" in style[1]


def test_a_paraphrase_is_not_in_quotation_marks() -> None:
    claim = replace(_advisory().claims[0], quoted=False)
    page = Page(render_html(_advisory(claims=(claim,))))
    assert "blockquote" not in page.tags
    assert "(not the speaker's own words)" in page.shown


def test_hostile_strings_are_shown_and_do_nothing(corpus: Callable[[str], Path]) -> None:
    strings = json.loads(corpus("console/untrusted-strings.json").read_bytes())["strings"]
    plain = Page(render_html(filled("x")))
    tried = 0
    for one in strings:
        if "text" not in one:
            continue
        tried += 1
        html = render_html(filled(one["text"]))
        page = Page(html)
        assert set(page.tags) <= ELEMENTS, one["id"]
        extra = [tag for tag in page.tags if tag not in ("bdi", "span", "p")]
        assert extra == [tag for tag in plain.tags if tag not in ("bdi", "span", "p")], one["id"]
        assert {name for _, name, _ in page.attributes} <= {
            *(name for _, name, _ in plain.attributes),
            "class",
            "lang",
        }
        for words in one["shows"]:
            assert " ".join(words.split()) in page.shown, (one["id"], words)
        for absent in one.get("absent", ()):
            assert absent not in page.shown, one["id"]
        chips = {piece.text for piece in pieces(one["text"]) if piece.chip}
        assert chips == set(one["chips"]), one["id"]
        for byte in (b"\x00", b"\x1b", b"\x08", "\u202e".encode()):
            assert byte not in html, one["id"]
    assert tried > 50


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://a.example/b.c?d=e.f#g", "hxxps://a[.]example/b.c?d=e.f#g"),
        ("HTTP://u:p@a.example:8080/", "hxxp://u:p[@]a[.]example:8080/"),
        ("see //a.example/x", "see //a[.]example/x"),
        ("ops@gridco.example.", "ops[@]gridco[.]example."),
        ("198.51.100.7, 1.2.3", "198[.]51[.]100[.]7, 1.2.3"),
        ("report.pdf README.md e.g. version 2.5", "report.pdf README.md e.g. version 2.5"),
        (
            "[domain-name:value = 'a.westwater.example']",
            "[domain-name:value = 'a[.]westwater[.]example']",
        ),
        ("file:hashes.'SHA-256'", "file:hashes.'SHA-256'"),
    ],
)
def test_addresses_are_written_so_that_nothing_links_them(text: str, shown: str) -> None:
    assert defang(text) == shown
    assert defang(shown) == shown


def test_a_thousand_indicators_fit() -> None:
    line = _advisory().indicators[0]
    many = tuple(replace(line, id=f"indicator--{n}") for n in range(1_000))
    page = Page(render_html(_advisory(indicators=many)))
    assert page.shown.count("hxxps://relay[.]westwater[.]example/a") == 1_000
