"""Reports in: text, Markdown, HTML and PDF become one kept text, and drafts that point into it.

Plain text is kept as it came, code point for code point. HTML is read by trafilatura, PDF by
pypdf with pdfminer.six behind it; both are imported only when such a file comes. Scripts, styles
and hidden parts never become text. Whatever is lost on the way is listed. Spec: claims.md §3.1.
"""

from __future__ import annotations

import io
import logging
import re
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from itertools import islice
from types import SimpleNamespace
from typing import Any

from msgspec.structs import replace

from tocsin.claims import consistency
from tocsin.errors import ParserError, ReportError, ReportSizeError
from tocsin.importers.indicators import sift, site_of
from tocsin.importers.interface import Loss, Progress, Reading, source_of
from tocsin.importers.unwrap import in_print_order, unwrapped
from tocsin.policy import Tlp
from tocsin.reading.cues import words
from tocsin.reading.draft import Draft, DraftFlag
from tocsin.reading.parsed import Parser, parse
from tocsin.reading.published import STATED, Found, own_day, printed_days, whole_day
from tocsin.reading.quotes import boilerplate, read_claims
from tocsin.reading.tongues import language_of

MAX_BYTES = 20 * 1024 * 1024
MAX_CHARACTERS = 2_000_000
MAX_PAGES = 2_000
MAX_STREAM = 20_000_000
"""Bytes that one stream of a PDF may unpack to."""
MAX_PARTS = 1_000_000
"""Operators and operands in one stream of a PDF."""
MAX_DRAWN = 6_000_000
"""Operators that are carried out for one PDF, over all its pages and the forms in them."""
PROSE = 80  # characters of a line that is a paragraph and no menu
_LOOKS = 2_000  # paragraphs looked up in the kept text, so that no page makes this quadratic
FEW = 200  # characters of a PDF page under which a second reader is asked

_BOMS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_META = re.compile(
    rb"<meta[^>]{0,200}?charset\s{0,9}=\s{0,9}[\"']?([A-Za-z0-9_.:-]{2,40})", re.IGNORECASE
)
_XML = re.compile(rb"\A\s{0,99}<\?xml[^>]{0,200}?encoding=[\"']([A-Za-z0-9_.:-]{2,40})[\"']")
_HTML = re.compile(
    rb"<(?:!doctype\s+html|html|head|body|article|div|p|title|meta|h1)[\s>/]", re.IGNORECASE
)
_KINDS = (
    (b"PK\x03\x04", "a ZIP archive (an office document, a dossier)"),
    (b"\x1f\x8b", "a gzip file"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"\xd0\xcf\x11\xe0", "an old office document"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ", "an xz file"),
    (b"(\xb5/\xfd", "a zstandard file"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"SQLite format 3", "a database"),
    (b"{\\rtf", "a rich text document"),
)


def read(
    raw: bytes,
    name: str,
    *,
    published: date | None = None,
    tlp: Tlp | None = None,
    columns: str | None = None,
    parser: Parser | None = None,
    progress: Progress | None = None,
    lang: str | None = None,
    own_site: str | None = None,
) -> Reading:
    """Open a report and read the claims and indicators out of it.

    Args:
        raw: the file.
        name: what it is called; names the file in errors, and `.md`, `.htm` tell the format.
        published: what relative times count from; default: the day the report gives as its own.
        parser: a learned parser, which adds words told without marks to what the rules find.
        progress: told page by page of a PDF; other formats are read in one go.
        lang: of the text, where somebody knows it; else the text itself tells.
        own_site: the host it was published on; that site's own names are no indicators. Default:
            what a page of HTML says of itself.

    Raises:
        ReportSizeError: over 20 MiB, 2,000 pages or 2,000,000 characters.
        ReportError: empty, binary, or not in the charset it declares.
        ParserError: the parser is of another language than the text.
    """
    if len(raw) > MAX_BYTES:
        raise ReportSizeError(
            f"{name}: {len(raw)} bytes, and a report may have {MAX_BYTES}",
            remedy="give the pages that matter as text; a STIX bundle may be larger",
        )
    if not raw.strip():
        raise ReportError(f"{name}: the file is empty", remedy="check that the download finished")
    losses: list[Loss] = []
    stated: list[Found] = []
    if raw[:1024].lstrip().startswith(b"%PDF-"):
        media_type, text = "application/pdf", _pdf(raw, name, losses, progress)
    else:
        html = _is_html(raw, name)
        text = _decoded(raw, name, html=html, losses=losses)
        media_type = "text/html" if html else "text/plain"
        if not html and name.lower().endswith((".md", ".markdown")):
            media_type = "text/markdown"
        if html:
            _refuse_long(text, name, factor=8)
            own_site = own_site or site_of(text)
            text, stated = _html_text(text, losses)
    _refuse_long(text, name)
    if not text.strip():
        losses.append(Loss(kind="no-text", note="no text was found in this file"))
    losses.extend(_bad_characters(text))
    skip: list[tuple[int, int]] = []
    lang = lang or language_of(text)
    printed = None
    if published is None:
        published, printed = _own_day([*stated, *printed_days(text, lang)], losses)
    for start, end, heading in boilerplate(text, lang or "en"):
        skip.append((start, end))
        note = f"the outlet's own list under {heading!r}: not read"
        losses.append(Loss(kind="boilerplate", span=(start, end), note=note))
    parsed = None
    if parser is not None:
        _refuse_language(parser, lang, name)
        parsed = parse(text, parser, skip=skip)
        for start, end, note in parsed.unread:
            losses.append(Loss(kind="not-parsed", span=(start, end), note=note))
    drafts = _compared(read_claims(text, published=published, lang=lang, skip=skip, parsed=parsed))
    indicators, held = sift(text, skip, own_site)
    losses.extend(held)
    return Reading(
        source=source_of(
            raw, name, media_type, text=text, published=published, published_as=printed
        ),
        text=text,
        drafts=tuple(drafts),
        indicators=tuple(indicators),
        losses=tuple(losses),
    )


def _own_day(found: Sequence[Found], losses: list[Loss]) -> tuple[date | None, str | None]:
    """The day a report gives as its own, and how it does."""
    own = own_day(found)
    if own is None:
        return None, None
    if own.day is None:
        note = f"gives days far apart as its own: {own.printed}: none is taken; say it: --published"
        losses.append(Loss(kind="date-unclear", note=note))
        return None, None
    return own.day, own.printed


MAX_FLAGS = 10
"""Of one draft: what differs from ten others needs no eleventh."""


def _compared(drafts: Sequence[Draft]) -> list[Draft]:
    """Drafts with a flag where one speaker gives other figures in another place of the text."""
    by_speaker: dict[str, list[tuple[int, consistency.Figures]]] = {}
    for n, one in enumerate(drafts):
        if one.speaker is not None:
            by_speaker.setdefault(one.speaker, []).append((n, consistency.figures(one.words)))
    made = list(drafts)
    for same in by_speaker.values():
        for n, m, found in consistency.Compared().among(same):
            for at, other, here, there in (
                (n, m, found.here, found.there),
                (m, n, found.there, found.here),
            ):
                start = drafts[other].span[0]
                note = f"{found.what}: {here} here, {there} at character {start}"
                flag = DraftFlag(name=consistency.FLAG, of="speaker", note=note)
                if len(made[at].flags) < MAX_FLAGS:
                    made[at] = replace(made[at], flags=(*made[at].flags, flag))
    return made


def _refuse_language(parser: Parser, lang: str | None, name: str) -> None:
    if lang not in (None, parser.lang):
        raise ParserError(
            f"{name}: the text is in {lang!r}, and {parser.name} is a model of {parser.lang!r}",
            remedy="leave out --nlp: the rules read it, or find its quotations",
        )


def _refuse_long(text: str, name: str, *, factor: int = 1) -> None:
    if len(text) > MAX_CHARACTERS * factor:
        raise ReportSizeError(
            f"{name}: {len(text)} characters, and a report may have {MAX_CHARACTERS * factor}",
            remedy="give the pages that matter as text, or in parts",
        )


# --- bytes to text ---------------------------------------------------------------------------


def _is_html(raw: bytes, name: str) -> bool:
    head = raw[:8192]
    for bom, charset in _BOMS:
        if raw.startswith(bom) and charset != "utf-8":
            head = raw[:16384].decode(charset, "replace").encode()
            break
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if name.lower().endswith((".htm", ".html", ".xhtml")):
        return True
    if name.lower().endswith((".md", ".markdown", ".txt")):
        return bool(re.match(rb"<(?:!doctype\s+html|html)[\s>]", start, re.IGNORECASE))
    if start.startswith((b"<!", b"<?xml", b"<")):
        return bool(_HTML.search(head))
    return False


def _decoded(raw: bytes, name: str, *, html: bool, losses: list[Loss]) -> str:
    for bom, charset in _BOMS:
        if raw.startswith(bom):
            return _decode(raw[len(bom) :], charset, name, why="its byte order mark")
    for magic, what in _KINDS:
        if raw.startswith(magic):
            raise ReportError(
                f"{name}: this is {what}, not text", remedy="convert it to text, HTML or PDF first"
            )
    if b"\x00" in raw[:65536]:
        even, odd = raw[:4096:2].count(0), raw[1:4096:2].count(0)
        if max(even, odd) * 3 > min(len(raw), 4096) // 2:
            form = "UTF-16BE" if even > odd else "UTF-16LE"
            raise ReportError(
                f"{name}: looks like {form} without a byte order mark",
                remedy=f"convert it: iconv -f {form} -t UTF-8",
            )
        raise ReportError(
            f"{name}: byte {raw.index(0)} is zero: this is binary data, not text",
            remedy="give the report as text, HTML or PDF",
        )
    declared = _declared(raw) if html else None
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as wrong:
        if declared is not None:
            return _decode(raw, declared, name, why="its declaration")
        control = sum(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in raw[:4096])
        if control * 10 > min(len(raw), 4096):
            raise ReportError(
                f"{name}: byte {wrong.start} begins no character: this is binary data, not text",
                remedy="give the report as text, HTML or PDF",
            ) from None
        raise ReportError(
            f"{name}: byte {wrong.start} (0x{raw[wrong.start]:02x}) is not UTF-8, and the file "
            "declares no other charset",
            remedy="convert it to UTF-8, for example: iconv -f WINDOWS-1252 -t UTF-8",
        ) from None
    other = declared is not None and declared.lower().replace("_", "-") not in ("utf-8", "utf8")
    if other and not raw.isascii():
        # Most pages that declare another charset and decode as UTF-8 are UTF-8.
        note = f"the page declares {declared}, and was read as the UTF-8 it is"
        losses.append(Loss(kind="bad-characters", note=note))
    return text


def _declared(raw: bytes) -> str | None:
    match = _XML.search(raw[:1024]) or _META.search(raw[:4096])
    return match[1].decode("ascii") if match else None


def _decode(raw: bytes, charset: str, name: str, *, why: str) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            text = raw.decode(charset, "replace")
    except (LookupError, ValueError) as wrong:
        raise ReportError(
            f"{name}: {why} says charset {charset!r}, which is none we know",
            remedy="convert it to UTF-8",
        ) from wrong
    if not isinstance(text, str):
        raise ReportError(f"{name}: {charset!r} is no charset", remedy="convert it to UTF-8")
    # Surrogates come from lying UTF-16 and could not be written again.
    text = (
        "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)
        if any("\ud800" <= char <= "\udfff" for char in text)
        else text
    )
    if text and text.count("\ufffd") * 4 > len(text):
        raise ReportError(
            f"{name}: most of it is not {charset}, as {why} says", remedy="convert it to UTF-8"
        )
    return text


def _bad_characters(text: str) -> Iterator[Loss]:
    at = text.find("\ufffd")
    if at >= 0:
        count = text.count("\ufffd")
        what = "character" if count == 1 else "characters"
        note = f"{count} {what} could not be read (U+FFFD); this is the first"
        yield Loss(kind="bad-characters", span=(at, at + 1), note=note)


# --- HTML ------------------------------------------------------------------------------------


_NOISY = ("pypdf", "pdfminer", "trafilatura", "htmldate", "courlan", "justext")


@contextmanager
def _quiet() -> Iterator[None]:
    """Other libraries' warnings and log lines about a hostile file are no news to our user."""
    # By name: `logging.disable` would drop what the node's other threads log meanwhile.
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


_DROPPED = words(
    "script style noscript template iframe object embed svg math canvas audio video form button"
    " select textarea input head link meta"
)
_BLOCKS = words(
    "p h1 h2 h3 h4 h5 h6 li blockquote pre td th dt dd figcaption caption summary div section"
    " article tr table ul ol header main"
)
_SIGNS = words("cite footer")
"""Inside a block quotation: who said it."""
_DASHES = ("—", "–", "-", "―")

_AS_WRITTEN = frozenset(["pre", "textarea", "listing", "xmp"])
_BLANKS = re.compile(r"[ \t\n\f\r]+")
_BROKEN = re.compile(r"\[\.\]|\(\.\)|\[dot\]|\bhxxps?\b|\[:\]|\[at\]|\[@\]", re.IGNORECASE)


def _html_text(page: str, losses: list[Loss]) -> tuple[str, list[Found]]:
    """The article in a page: its headline and every paragraph, one line each; and its own day.

    trafilatura says which lines of the page are the article; the lines themselves, and every
    paragraph of prose that it left out, are taken from the page's own blocks.
    """
    with _quiet():
        headline, everything, shown, stated = _by_hand(page)
        body = _extracted(shown)
    if not body and everything:
        note = "no article was found on the page: all its text was taken"
        losses.append(Loss(kind="markup", note=note))
        lines, left = everything, 0
    else:
        lines, left = _article_lines(body, everything)
    if headline and not any(headline in line for line in lines[:3]):
        lines.insert(0, headline)
    if left:
        what = "short line" if left == 1 else "short lines"
        note = f"left out: {left} {what} of the page outside its article"
        losses.append(Loss(kind="markup", note=note))
    return "\n\n".join(lines) + "\n" if lines else "", stated


def _article_lines(body: str, everything: list[str]) -> tuple[list[str], int]:
    """Those lines of the page that the extractor kept, or that are prose; and how many are not."""
    kept = [" ".join(line.split()) for line in body.split("\n")]
    exact = set(kept)
    for line in kept:
        if line.startswith("|"):  # a row of a table, as the extractor writes it
            exact.update(cell.strip() for cell in line.split("|"))
    whole = " ".join(kept)
    merged = 3 * len(kept) < len(everything)  # the extractor ran the blocks into each other
    lines: list[str] = []
    left, looks = 0, 0
    for shown in everything:
        line = shown.removeprefix("> ")
        if shown.startswith("> — ") and lines and lines[-1].startswith("> "):
            lines.append(shown)  # who said it, however short
            continue
        prose = len(line) >= PROSE and line[-1] in ".!?…”\"'’»」)"
        # Whoever breaks a value means it as one: no menu holds it.
        if line not in exact and not prose and not _BROKEN.search(line):
            looks += 1
            long = len(line) >= 25 or (merged and line.count(" ") >= 2)
            if looks > _LOOKS or not long or line not in whole:
                left += 1
                continue
        lines.append(shown)
    return lines, left


def _extracted(page: str) -> str:
    if not page:
        return ""
    try:
        import trafilatura
    except ImportError:
        return ""
    try:
        found = trafilatura.extract(
            page,
            favor_recall=True,
            include_comments=False,
            include_tables=True,
            include_links=False,
            include_images=False,
            deduplicate=False,
            output_format="txt",
            with_metadata=False,
        )
    except Exception:
        # Any failure of a third party's reader on a hostile page: read by hand below instead.
        return ""
    return found or ""


def _by_hand(page: str) -> tuple[str | None, list[str], str, list[Found]]:
    """The page's headline, all its visible lines, the page without what is not shown, its day."""
    import lxml.etree
    import lxml.html

    try:
        parser = lxml.html.HTMLParser(encoding="utf-8", remove_comments=True, huge_tree=False)
        tree = lxml.html.document_fromstring(page.encode("utf-8", "replace"), parser=parser)
    except Exception:  # hostile markup breaks lxml in ways of its own: nothing is read of it
        return None, [], "", []
    headline, stated = _headline(tree), _stated(tree)
    for element in list(tree.iter(*_DROPPED)):
        parent = element.getparent()
        if parent is not None:
            element.drop_tree()
    for element in list(tree.iter()):
        hidden = isinstance(element.tag, str) and (
            element.get("hidden") is not None
            or element.get("aria-hidden") == "true"
            or re.search(r"display\s?:\s?none|visibility\s?:\s?hidden", element.get("style") or "")
        )
        if hidden and element.getparent() is not None:
            element.drop_tree()
    pieces: list[str] = []
    as_written = 0  # depth of elements whose line ends are their own
    quoted = _quotations(tree)
    quoting = False
    signing: Any = None  # the element of a block quotation that says whose it is
    for event, element in lxml.etree.iterwalk(tree, events=("start", "end")):
        if element.tag in _AS_WRITTEN:
            as_written += 1 if event == "start" else -1
        text = (element.text if event == "start" else element.tail) or ""
        if not as_written:  # the source's line ends are blanks (HTML, "Rendering", white-space)
            text = _BLANKS.sub(" ", text)
        if not isinstance(element.tag, str):
            if event == "end":
                pieces.append(text)
            continue
        if element in quoted:
            quoting = event == "start"
        opens = quoting and signing is None and event == "start" and element.tag in _SIGNS
        closes = event == "end" and element is signing
        if opens or closes or element.tag in _BLOCKS or (element.tag == "br" and event == "start"):
            pieces.append("\n> " if quoting else "\n")
        if opens:
            signing = element
            pieces.append("" if _text_of(element).startswith(_DASHES) else "— ")
        elif closes:
            signing = None
        pieces.append(text)
    # A soft hyphen is where a word may be cut, and no part of it.
    whole = "".join(pieces).replace("\u00ad", "")
    lines = (" ".join(line.split()) for line in whole.split("\n"))
    shown = lxml.html.tostring(tree, encoding="unicode").replace("\u00ad", "")
    return headline, [line for line in lines if line.strip("> —")], shown, stated


def _quotations(tree: Any) -> set[Any]:
    """The page's block quotations (HTML, "The blockquote element"): words of another.

    Not one that holds half of the page: it is there to set the page in.
    """
    found = [
        one
        for one in tree.iter("blockquote")
        if next(one.iterancestors("blockquote"), None) is None
    ]
    most = len(_text_of(tree)) // 2 if found else 0
    return {one for one in found if len(_text_of(one)) <= most}


def _text_of(element: Any) -> str:
    return " ".join("".join(element.itertext()).split())


def _headline(tree: Any) -> str | None:
    for path in (".//article//h1", ".//main//h1", ".//h1", ".//title"):
        for element in tree.iterfind(path):
            text = " ".join("".join(element.itertext()).split())
            if 3 <= len(text) <= 300:
                return text
    return None


_DAY_NAMES = words(
    "article:published_time og:published_time og:article:published_time datepublished date dc.date"
    " dc.date.issued dcterms.issued dcterms.date citation_publication_date citation_date pubdate"
    " publishdate publish-date publish_date publication_date parsely-pub-date sailthru.date"
)
_LINKED_DAY = re.compile(r'"datePublished"\s{0,9}:\s{0,9}"([^"]{4,40})"')
_LINKED_MOST = 200_000


def _stated(tree: Any) -> list[Found]:
    """The day of publication in a page's metadata: of all that is there, the surest kind alone.

    Dublin Core, Open Graph, schema.org and the `time` element under the headline.
    """
    named = [
        (element.get("content") or "", element.get("property") or element.get("name"))
        for element in tree.iter("meta")
        if (element.get("property") or element.get("name") or "").lower() in _DAY_NAMES
    ]
    marked = [
        (element.get("content") or element.get("datetime") or element.text or "", "datePublished")
        for element in tree.iterfind(".//*[@itemprop='datePublished']")
    ]
    linked = [
        (match[1], "datePublished")
        for script in tree.iterfind(".//script[@type='application/ld+json']")
        for match in _LINKED_DAY.finditer((script.text or "")[:_LINKED_MOST])
    ]
    for kind in (named, marked, linked, _headline_time(tree)):
        found = [
            Found(day, f"{name} {value[:40]}", None, STATED)
            for value, name in islice(kind, 20)
            if (day := whole_day(value)) is not None
        ]
        if found:
            return found
    return []


def _headline_time(tree: Any) -> list[tuple[str, str]]:
    """The first `time` behind the headline and before the first paragraph of prose."""
    headed = False
    for element in tree.iter("h1", "time", "p"):
        if element.tag == "h1":
            headed = True
        elif headed and element.tag == "time":
            return [(element.get("datetime") or element.text or "", "time")]
        elif headed and len("".join(element.itertext())) >= PROSE:
            break
    return []


# --- PDF -------------------------------------------------------------------------------------


def _pdf(raw: bytes, name: str, losses: list[Loss], progress: Progress | None) -> str:
    """Page by page: pypdf, and pdfminer.six where a page gives next to nothing."""
    try:
        import pypdf
    except ImportError as wrong:
        raise ReportError(
            f"{name}: PDF is not read by this installation", remedy="convert it to text first"
        ) from wrong
    with _quiet():
        try:
            reader = pypdf.PdfReader(io.BytesIO(raw), strict=False)
            if reader.is_encrypted and not reader.decrypt(""):
                raise ReportError(
                    f"{name}: the PDF is locked with a password", remedy="save it unlocked"
                )
            count = len(reader.pages)
        except ReportError:
            raise
        except Exception as wrong:
            raise ReportError(
                f"{name}: the PDF cannot be opened ({type(wrong).__name__})",
                remedy="save it anew as PDF, or convert it to text",
            ) from wrong
        if count > MAX_PAGES:
            raise ReportSizeError(
                f"{name}: {count} pages, and a report may have {MAX_PAGES}",
                remedy="give the pages that matter",
            )
        miner = _Miner(raw, count)
        drawn = _Drawn(name)
        limits = pypdf.get_configuration().with_overwrites(
            zlib_maximum_output_length=MAX_STREAM,
            lzw_maximum_output_length=MAX_STREAM,
            run_length_maximum_output_length=MAX_STREAM,
            array_based_stream_maximum_output_length=MAX_STREAM,
            stream_parsing_work_maximum_count=MAX_PARTS,
        )
        pages: list[str] = []
        total = 0
        for number in range(count):
            if progress is not None:
                progress(number, count)
            more = True
            try:
                with pypdf.apply_configuration(limits):
                    page = reader.pages[number]
                    text = page.extract_text(visitor_operand_before=drawn.one) or ""
            except pypdf.errors.LimitReachedError:
                text, more = "", False  # the other reader has no such limit
                drawn.many(MAX_PARTS)
            except ReportSizeError:
                raise
            except Exception:  # pypdf on a damaged page: the other reader is tried below
                text = ""
            if more and len(text.strip()) < FEW:
                text = max(text, miner.text(number), key=lambda one: len(one.strip()))
            text = "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)
            if not text.strip():
                why = "a scan, or damaged" if more else "it unpacks to more than we read"
                note = f"page {number + 1} gave no text ({why}): it was not read"
                losses.append(Loss(kind="no-text", note=note))
            pages.append(text.strip())
            total += len(text)
            if total > MAX_CHARACTERS:
                break
    if progress is not None:
        progress(count, count)
    text, heads = unwrapped(pages)
    if in_print_order(text):
        note = (
            "its Arabic stands in the order of print, and is read wrongly: give it as HTML or text"
        )
        losses.append(Loss(kind="markup", note=note))
    for head in heads[:MAX_FLAGS]:
        note = f"stands at the edge of many pages, and was left out: {head[:80]!r}"
        losses.append(Loss(kind="running-head", note=note))
    return text


class _Drawn:
    """What has been carried out of one PDF: a page may draw itself, or another, without end."""

    def __init__(self, name: str) -> None:
        self._name, self._count = name, 0

    def one(self, *_: object) -> None:
        self.many(1)

    def many(self, count: int) -> None:
        self._count += count
        if self._count > MAX_DRAWN:
            raise ReportSizeError(
                f"{self._name}: more than {MAX_DRAWN:,} drawing steps in the PDF",
                remedy="give the pages that matter, or convert it to text",
            )


class _Inflate:
    """`zlib.decompressobj()` that gives at most `MAX_STREAM` bytes."""

    def __init__(self) -> None:
        self._inner, self._left = zlib.decompressobj(), MAX_STREAM

    def decompress(self, data: bytes) -> bytes:
        out = self._inner.decompress(data, self._left + 1)
        self._left -= len(out)
        if self._left < 0:
            raise ReportSizeError(
                f"a stream of more than {MAX_STREAM:,} bytes", remedy="convert it to text first"
            )
        return out

    @classmethod
    def all(cls, data: bytes) -> bytes:
        """As `zlib.decompress`."""
        one = cls()
        out = one.decompress(data)
        if not one._inner.eof:
            raise zlib.error("incomplete stream")
        return out


class _Miner:
    """pdfminer.six over one file, opened once: once for each page would be quadratic."""

    def __init__(self, raw: bytes, count: int) -> None:
        self._raw, self._count = raw, count
        self._pages: list[Any] | None = None

    def text(self, number: int) -> str:
        """What it reads on a page; nothing where it is not installed, or fails."""
        try:
            from pdfminer import pdftypes
            from pdfminer.converter import TextConverter
            from pdfminer.layout import LAParams
            from pdfminer.pdfinterp import PDFPageInterpreter, PDFResourceManager
            from pdfminer.pdfpage import PDFPage
        except ImportError:
            return ""
        # It has no limit of its own on what it unpacks, and no place to set one.
        bounded = SimpleNamespace(decompress=_Inflate.all, decompressobj=_Inflate, error=zlib.error)
        setattr(pdftypes, "zlib", bounded)  # noqa: B010
        out = io.StringIO()
        try:
            if self._pages is None:
                self._pages = []  # stays so if it fails
                self._pages = list(islice(PDFPage.get_pages(io.BytesIO(self._raw)), self._count))
            manager = PDFResourceManager()
            device = TextConverter(manager, out, laparams=LAParams())
            PDFPageInterpreter(manager, device).process_page(self._pages[number])
        except Exception:  # the second reader on a damaged page: `note` below says it gave no text
            return ""
        return out.getvalue()
