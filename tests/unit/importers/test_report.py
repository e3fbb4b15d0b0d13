"""Opening reports: what becomes text, what is refused, and what is said to be lost."""

from __future__ import annotations

import hashlib
import json
import logging
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import ReportError, ReportSizeError
from tocsin.importers import report
from tocsin.importers.interface import sniff, to_json

DAY = date(2026, 2, 4)


def test_plain_text_is_kept_exactly() -> None:
    text = "Grid down\r\n\r\n  Northland said “it was late”.\t\r\nEnd\n"
    reading = report.read(text.encode(), "a.txt")
    assert reading.text == text
    assert reading.source.text_sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert reading.source.sha256 == reading.source.text_sha256
    assert reading.source.media_type == "text/plain"


def test_the_article_gives_fifteen_drafts_one_loss_and_no_indicator(
    corpus: Callable[[str], Path],
) -> None:
    raw = corpus("claims/article.txt").read_bytes()
    reading = report.read(raw, "article.txt", published=date(2023, 7, 19))
    assert len(reading.drafts) == 15
    assert reading.indicators == ()
    [loss] = reading.losses
    assert loss.kind == "boilerplate"
    assert loss.span is not None
    assert reading.text[loss.span[0] :].startswith("Most Read News")
    assert loss.span[1] == len(reading.text)


def test_the_json_has_the_keys_of_the_chapter() -> None:
    text = b"Northland said the relay at evil[.]example was down.\n"
    made = to_json(report.read(text, "a.txt", published=DAY))
    assert list(made) == ["source", "drafts", "indicators", "losses"]
    assert list(made["source"]) == [
        *("sha256", "text_sha256", "name", "media_type", "published", "published_as")
    ]
    assert list(made["drafts"][0]) == (
        [
            "kind",
            "claim_type",
            "speaker",
            "speaker_role",
            "addressee",
            "about",
            "words",
            "span",
            "direct",
            "date",
            "precision",
            "cue",
            "confidence_notes",
            "lang",
        ]
    )
    assert made["indicators"] == [
        {
            "type": "domain",
            "value": "evil.example",
            "raw": "evil[.]example",
            "span": [28, 42],
            "defanged": True,
            "notes": ["not-public", "example-domain"],
        }
    ]
    json.dumps(made)


PAGE = """<!doctype html><html><head><meta charset="utf-8"><title>Ports closed | Outlet</title>
<style>p {{ content: "Northland said styles are text" }}</style>
<script>document.write("Eastmere said 'scripts are text here'");</script></head><body>
<nav><a href="/">Home</a></nav><article><h1>Ports closed by wiper</h1>
<p>Northland said on Monday that “three ports were closed” by the attack.</p>
<p hidden>Eastmere said “this was hidden from readers”.</p>
<div><p>{second}</p></div>
<noscript>Westwater said "no script here for anyone".</noscript>
</article></body></html>"""


def test_html_keeps_headline_and_paragraphs_and_no_script() -> None:
    second = "The harbour master, Vera Holm, told reporters that the cranes would move on Friday."
    page = PAGE.format(second=second)
    reading = report.read(page.encode(), "a.html", published=DAY)
    assert reading.text.startswith("Ports closed by wiper\n")
    assert "Northland said on Monday that “three ports were closed” by the attack." in reading.text
    assert second in reading.text
    for hidden in ("script", "styles are text", "hidden from"):
        assert hidden not in reading.text
    assert reading.drafts[0].speaker == "Northland"


def test_line_ends_of_the_source_are_blanks_but_where_they_are_written_so() -> None:
    page = (
        "<html><body><nav><a href='/'>Home</a></nav><article><h1>Valves</h1>"
        "<p>The operator of the harbour,\nPortco, said on Monday that\n  its valves had been "
        "opened by\nstrangers.</p>\n<p>“Nothing of the kind was\nseen in <b>twenty\nyears</b>,” "
        "said Ada Lund, its\nspokeswoman.</p>"
        "<pre>relay[.]example\nother[.]example</pre></article></body>"
    )
    reading = report.read(page.encode(), "a.html", published=DAY)
    assert "Portco, said on Monday that its valves had been opened by strangers." in reading.text
    assert "relay[.]example\n\nother[.]example" in reading.text
    told, quoted = reading.drafts
    assert (told.speaker, told.words) == ("Portco", "its valves had been opened by strangers")
    assert quoted.words == "Nothing of the kind was seen in twenty years"


def test_the_cells_of_a_table_in_an_article_are_kept_however_short() -> None:
    said = "<p>The intruders came in by a gateway that stood open, and stayed for some weeks.</p>"
    rows = "<tr><td>IP</td><td>203.0.113[.]8</td></tr><tr><td>C2</td><td>198.51.100.7</td></tr>"
    page = (
        f"<html><nav>Home About</nav><article><h1>At PortCo</h1>{said}<h2>Indicators</h2>"
        f"<table>{rows}</table></article><p>relay[.]example</p><p>Terms</p></html>"
    )
    reading = report.read(page.encode(), "a.html", published=DAY)
    lines = reading.text.split("\n\n")
    assert "203.0.113[.]8" in lines
    assert "198.51.100.7" in lines
    # Outside the article a broken value is kept, a menu is not.
    assert "relay[.]example" in reading.text
    assert "Home About" not in reading.text
    assert [one.value for one in reading.indicators] == [
        "203.0.113.8",
        "198.51.100.7",
        "relay.example",
    ]


def test_a_block_quotation_of_a_page_is_of_whom_it_says() -> None:
    """HTML, "The blockquote element": words without marks; a cite or footer says whose."""
    prose = "The cranes of the port stood still on Thursday, and ships waited outside the harbour."
    page = f"""<article><h1>Cranes stopped</h1><p>{prose} {prose}</p>
    <blockquote><p>We reject the charge.</p>
    <footer>Mira Tal, <cite>minister of transport</cite></footer></blockquote>
    <p>{prose}</p><p>The ministry of Dorran answered in the evening:</p>
    <blockquote>Our services have never attacked a port.</blockquote>
    <p>{prose}</p><blockquote><p>Ships are waiting.</p><p>&mdash; Ana Brisk</p></blockquote>
    <p>{prose}</p></article>"""
    found = report.read(page.encode(), "cranes.html")
    assert "> We reject the charge.\n\n> — Mira Tal, minister of transport\n" in found.text
    assert [(d.words, d.speaker, d.speaker_role) for d in found.drafts] == [
        ("We reject the charge.", "Mira Tal", "minister of transport"),
        ("Our services have never attacked a port.", "ministry of Dorran", None),
        ("Ships are waiting.", "Ana Brisk", None),
    ]


def test_a_page_set_in_a_block_quotation_quotes_nobody() -> None:
    prose = "The cranes of the port stood still on Thursday, and ships waited outside the harbour."
    page = f"<h1>Cranes</h1><blockquote><p>{prose}</p><p>{prose}</p><p>{prose}</p></blockquote>"
    found = report.read(page.encode(), "cranes.html")
    assert "> " not in found.text
    assert not found.drafts


def test_html_in_a_declared_charset_is_read_in_it() -> None:
    page = (
        '<html><head><meta http-equiv="Content-Type" content="text/html; charset=windows-1252">'
        "</head><body><p>Northland said “the café was closed for a week” on Monday.</p></body>"
    )
    reading = report.read(page.encode("windows-1252"), "a.html", published=DAY)
    assert [draft.words for draft in reading.drafts] == ["the café was closed for a week"]


def test_characters_that_could_not_be_read_are_a_loss() -> None:
    page = (
        b'<html><meta charset="ascii"><p>Northland said \xe9\xe8 that the line was down.</p></html>'
    )
    reading = report.read(page, "a.html")
    assert "bad-characters" in {loss.kind for loss in reading.losses}


def test_a_byte_order_mark_declares_the_charset() -> None:
    text = "Northland said the line was down."
    for charset in ("utf-8-sig", "utf-16"):
        assert report.read(text.encode(charset), "a.txt").text == text


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        (b"", "empty"),
        (b" \n\t", "empty"),
        (b"PK\x03\x04" + b"x" * 50, "ZIP"),
        (b"\x7fELF" + bytes(60), "program"),
        (bytes(range(256)) * 4, "binary"),
        ("Northland said".encode("utf-16-le") * 9, "UTF-16LE"),
        ("Northland said".encode("utf-16-be") * 9, "UTF-16BE"),
        ("Le café est fermé.".encode("latin-1"), "not UTF-8"),
        (b'<html><meta charset="klingon"><p>\xe9</p>', "klingon"),
        (b"%PDF-1.7 nothing more", "PDF"),
    ],
)
def test_what_is_no_text_is_refused_with_file_value_and_remedy(raw: bytes, word: str) -> None:
    with pytest.raises(ReportError) as refused:
        report.read(raw, "odd.bin")
    assert "odd.bin" in refused.value.message
    assert word in refused.value.message
    assert refused.value.remedy


def test_a_report_over_the_limits_is_refused() -> None:
    with pytest.raises(ReportSizeError, match="20971520"):
        report.read(b"a" * (20 * 1024 * 1024 + 1), "big.txt")
    with pytest.raises(ReportSizeError, match="2000000"):
        report.read(b"ab c " * 400_001, "long.txt")


def test_markdown_is_text_as_it_came() -> None:
    text = "# Ports closed\n\nNorthland said **three** ports were closed.\n"
    reading = report.read(text.encode(), "a.md")
    assert (reading.text, reading.source.media_type) == (text, "text/markdown")


def pdf(*pages: str) -> bytes:
    """A small PDF, one line of Helvetica a page, written by hand."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>"]
    kids = " ".join(f"{3 + 2 * n} 0 R" for n in range(len(pages)))
    objects.append(f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>")
    bodies: list[bytes] = [one.encode() for one in objects]
    for number, page in enumerate(pages):
        bodies.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents {4 + 2 * number} 0 R "
            "/Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> "
            ">> >>".encode()
        )
        stream = zlib.compress(f"BT /F1 12 Tf 40 700 Td ({page}) Tj ET".encode())
        bodies.append(
            f"<< /Length {len(stream)} /Filter /FlateDecode >>\nstream\n".encode()
            + stream
            + b"\nendstream"
        )
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(bodies, start=1):
        places.append(len(out))
        out += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    start = len(out)
    size = len(bodies) + 1
    out += f"xref\n0 {size}\n0000000000 65535 f \n{table}".encode()
    return out + f"trailer << /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()


def test_a_pdf_is_read_and_an_empty_page_is_a_loss() -> None:
    pytest.importorskip("pypdf")
    raw = pdf("Northland said the line was down on Monday.", "")
    reading = report.read(raw, "a.pdf", published=DAY)
    assert reading.source.media_type == "application/pdf"
    assert [draft.speaker for draft in reading.drafts] == ["Northland"]
    assert [loss.note for loss in reading.losses if loss.kind == "no-text"] == [
        "page 2 gave no text (a scan, or damaged): it was not read"
    ]


def test_whoever_waits_is_told_of_every_page() -> None:
    pytest.importorskip("pypdf")
    told: list[tuple[int, int]] = []
    report.read(pdf("One.", "Two."), "a.pdf", progress=lambda done, of: told.append((done, of)))
    assert told == [(0, 2), (1, 2), (2, 2)]


def test_the_second_reader_gives_each_page_of_a_file_it_opens_once() -> None:
    pytest.importorskip("pdfminer")
    miner = report._Miner(pdf("Northland said yes.", "Westmark said no."), 2)
    assert [miner.text(page).strip() for page in (1, 0, 1)] == [
        "Westmark said no.",
        "Northland said yes.",
        "Westmark said no.",
    ]
    assert miner.text(2) == "", "there is no such page"
    assert report._Miner(b"%PDF-no", 1).text(0) == ""


def test_a_value_printed_twice_is_one_indicator() -> None:
    text = b"Look at evil[.]example and again at evil.example, and 10.0.0.1.\n"
    first, second = report.read(text, "a.txt").indicators
    assert (first.value, first.defanged, "printed 2 times" in first.notes) == (
        "evil.example",
        True,
        True,
    )
    assert second.notes == ("not-public",)


def test_the_outlets_own_site_is_left_out_only_if_given() -> None:
    text = b"Traffic to news.portco.example and at evil[.]example today.\n"
    assert len(report.read(text, "a.txt").indicators) == 2
    reading = report.read(text, "a.txt", own_site="portco.example")
    assert [one.value for one in reading.indicators] == ["evil.example"]
    assert [loss.kind for loss in reading.losses] == ["own-site"]


HOSTILE_PAGES = [
    "<html>" + "<div>" * 20_000 + "Northland said hello.",
    "<html><p>" + "<b>" * 5_000 + "x",
    "<html><body>" + "<p>Northland said “" * 2_000,
    "<html><!--" + "-" * 100_000,
    "<html><p>" + "&#1114112;&#xD800;&#0;" * 50,
    "<html><![CDATA[" + "]]" * 1000,
    "<!doctype html [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;'>]><html><p>&b;</p>",
    "<html><body onload=alert(1)><img src=x onerror=alert(1)><a href='javascript:x()'>y</a></html>",
]


@pytest.mark.parametrize("page", HOSTILE_PAGES, ids=range(len(HOSTILE_PAGES)))
def test_a_hostile_page_is_read_or_refused(page: str) -> None:
    with suppress(ReportError):
        reading = report.read(page.encode(), "a.html")
        assert "alert(" not in reading.text
        for draft in reading.drafts:
            assert draft.words == reading.text[draft.span[0] : draft.span[1]]


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_never_worse(raw: bytes) -> None:
    with suppress(ReportError):
        report.read(raw, "any")


@given(
    st.lists(
        st.sampled_from(
            [
                "<html>",
                "<p>",
                "</p>",
                "<script>",
                "<meta charset=utf-16>",
                "“said” ",
                "%PDF-",
                "\ufeff",
                "Northland said ",
                "hxxp://a[.]b/",
                "1.2.3.4",
                "&lt;",
                "é",
                "\x00",
                "]]>",
                "<!--",
            ]
        ),
        max_size=20,
    ).map("".join)
)
def test_any_page_gives_places_in_its_text(page: str) -> None:
    with suppress(ReportError):
        reading = report.read(page.encode(), "any.html")
        for draft in reading.drafts:
            assert draft.words == reading.text[draft.span[0] : draft.span[1]]
        for one in reading.indicators:
            assert one.raw == reading.text[one.span[0] : one.span[1]]


@pytest.mark.parametrize(
    ("raw", "name", "kind"),
    [
        (b'{"type":"bundle"}', "x", "stix"),
        (b'\xef\xbb\xbf [ {"type":', "x", "stix"),
        (b"[]", "x", "stix"),
        (b"[Draft] Northland said", "note.txt", "report"),
        (b"nothing", "x.json", "stix"),
        (b"<html>", "x.html", "report"),
        (b"", "x", "report"),
    ],
)
def test_a_file_is_known_by_its_first_bytes(raw: bytes, name: str, kind: str) -> None:
    assert sniff(raw, name) == kind


def test_while_a_report_is_read_only_its_readers_are_silent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with report._quiet():
        logging.getLogger("pypdf._reader").error("a broken object")
        logging.getLogger("tocsin.console").error("the log halted")
    assert caplog.messages == ["the log halted"]


def test_other_figures_of_one_speaker_in_one_text_are_flagged_on_both() -> None:
    text = (
        b'"The attack on Eastmere hit 43 public hospitals," Ana Brandt said on Monday.\n\n'
        b'"In Eastmere the attack shut down 51 hospitals," Ana Brandt said later.\n\n'
        b'"In Eastmere the attack shut down 60 hospitals," Karl Weiss said.\n'
    )
    drafts = report.read(text, "note.txt").drafts
    flagged = {d.speaker: [(f.name, f.of) for f in d.flags] for d in drafts}
    assert flagged["Karl Weiss"] == []
    assert flagged["Ana Brandt"] == [("speaker-inconsistent", "speaker")]
    brandt = [d for d in drafts if d.speaker == "Ana Brandt"]
    assert [d.flags[0].note.partition(" at ")[0] for d in brandt] == [
        "hospitals: 43 here, 51",
        "hospitals: 51 here, 43",
    ]


DATED_PAGE = """<!doctype html><html><head><title>Cranes stopped</title>{head}</head><body>
<nav><a href="/">Home</a><a href="/world">World</a></nav>
<article><h1>Cranes stopped</h1>{under}<p>The port authority said on Thursday that an outage of its
crane control system had been caused by an intrusion through its supplier.</p>
<p>“We had to stop eleven cranes by hand,” Director Ilse Brandt told reporters.</p></article>
<aside><h2>More</h2><p><time datetime="2019-01-02">2 January 2019</time> Ferry timetable</p></aside>
</body></html>"""


@pytest.mark.parametrize(
    ("head", "under"),
    [
        ('<meta property="article:published_time" content="2026-03-05T14:30:00Z">', ""),
        ('<meta name="DC.date.issued" content="20260305">', ""),
        (
            '<script type="application/ld+json">{"@type": "NewsArticle", '
            '"datePublished": "2026-03-05", "dateModified": "2026-04-09"}</script>',
            "",
        ),
        ("", '<p class="by">By Ana Brisk <time datetime="2026-03-05T14:30">Thursday</time></p>'),
        ("", '<meta itemprop="datePublished" content="2026-03-05">'),
        ("", '<p class="by">Published 5 March 2026</p>'),
    ],
)
def test_a_page_gives_the_day_it_was_published(head: str, under: str) -> None:
    found = report.read(DATED_PAGE.format(head=head, under=under).encode(), "page.html")
    assert found.source.published == "2026-03-05"
    assert found.source.published_as
    assert found.drafts[0].date == "2026-03-05"
    assert found.drafts[0].precision == "day"


def test_whoever_reads_a_page_in_knows_better_than_the_page() -> None:
    page = DATED_PAGE.format(head='<meta name="date" content="2026-03-05">', under="").encode()
    found = report.read(page, "page.html", published=date(2026, 3, 12))
    assert found.source.published == "2026-03-12"
    assert found.source.published_as is None


def test_a_page_that_contradicts_itself_has_no_day_and_says_so() -> None:
    page = DATED_PAGE.format(
        head='<meta name="date" content="2026-03-05">', under="<p>Published 9 June 2021</p>"
    )
    found = report.read(page.encode(), "page.html")
    assert found.source.published is None
    [loss] = [one for one in found.losses if one.kind == "date-unclear"]
    assert "9 June 2021" in loss.note
    assert "--published" in loss.note
    assert found.drafts[0].date is None


def _pdf_of(*objects: bytes) -> bytes:
    out, places = b"%PDF-1.4\n", []
    for number, one in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    tail = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF"
    return out + head + table + tail % (len(objects) + 1, len(out))


def _stream(data: bytes, more: bytes = b"") -> bytes:
    return b"<<%s/Length %d>>stream\n%s\nendstream" % (more, len(data), data)


ROOT = b"<</Type/Catalog/Pages 2 0 R>>"
ONE_PAGE = b"<</Type/Pages/Kids[3 0 R]/Count 1>>"
FONT = b"<</Font<</F 5 0 R>>>>"
DRAWN_PAGE = b"<</Type/Page/Parent 2 0 R/Resources%s/Contents 4 0 R>>" % FONT
HELVETICA = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
DRAWN = b"BT /F 9 Tf (aaaa) Tj ET\n"


@pytest.mark.parametrize("damaged", [False, True])
def test_a_pdf_that_unpacks_without_end_is_not_unpacked(damaged: bool) -> None:
    packed = zlib.compress(DRAWN * 5_000_000, 9)
    raw = _pdf_of(
        ROOT,
        ONE_PAGE,
        DRAWN_PAGE,
        _stream(packed[:-4] + b"oops" if damaged else packed, b"/Filter/FlateDecode"),
        HELVETICA,
    )
    tracemalloc.start()
    try:
        reading = report.read(raw, "small.pdf")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6 * report.MAX_STREAM
    assert [loss.kind for loss in reading.losses][:1] == ["no-text"]


def test_the_second_reader_unpacks_no_more_than_the_first() -> None:
    packed = zlib.compress(bytes(report.MAX_STREAM + 1), 9)
    with pytest.raises(ReportSizeError, match="20,000,000"):
        report._Inflate.all(packed)
    assert report._Inflate.all(zlib.compress(b"as it was")) == b"as it was"
    with pytest.raises(zlib.error):
        report._Inflate.all(packed[:50])


def test_a_pdf_that_draws_without_end_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "MAX_DRAWN", 5_000)
    raw = _pdf_of(
        ROOT,
        ONE_PAGE,
        DRAWN_PAGE,
        _stream(DRAWN * 2_000),
        HELVETICA,
    )
    with pytest.raises(ReportSizeError, match="5,000 drawing steps"):
        report.read(raw, "small.pdf")
