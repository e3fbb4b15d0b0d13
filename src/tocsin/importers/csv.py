"""Tables of indicators in: drafts that point at their cells, and every row that gave none.

A column is known by its header, or by `--columns` where there is no header row. A type that the
table does not name is guessed from the value and shown as guessed. Defanged values are mended; the
span still points at what was written.

Kinds of losses: bad-characters, bad-row, bad-value, column, formula, marking, over-limit.

Spec: RFC 4180; exchange.md §3.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime

from msgspec import Struct
from msgspec.structs import replace

from tocsin.errors import IndicatorError, ReportError, ReportSizeError
from tocsin.importers.interface import IndicatorDraft, Loss, Progress, Reading, lose, source_of
from tocsin.policy import Tlp
from tocsin.reading.parsed import Parser
from tocsin.stix.markings import strictest_tlp, tlp_named
from tocsin.stix.values import KINDS, guess, refang, settle

MAX_BYTES = 20 * 1024 * 1024
MAX_ROWS = 20_000
MAX_CELL = 10_000
MAX_COLUMNS = 200
MEDIA_TYPE = "text/csv"

_NAMES: dict[str, str] = {
    **dict.fromkeys(("value", "indicator", "ioc", "observable", "indicator_value"), "value"),
    **dict.fromkeys(("type", "kind", "indicator_type", "ioc_type", "data_type"), "type"),
    **dict.fromkeys(("first_seen", "firstseen", "valid_from", "date", "first_observed"), "first"),
    **dict.fromkeys(("valid_until", "expires", "expiration", "expiry"), "until"),
    **dict.fromkeys(("tlp", "marking", "tlp_level"), "tlp"),
    **dict.fromkeys(("comment", "description", "note", "notes", "context"), "comment"),
}
"""Headers in use, and what they are to us."""
_SINGLE = {
    **dict.fromkeys(
        ("ip", "ipv4", "ipv6", "ip-address", "ip_address", "ip-src", "ip-dst"), "address"
    ),
    **dict.fromkeys(("domain", "hostname", "fqdn", "host"), "domain"),
    **dict.fromkeys(("url", "uri", "link"), "url"),
    **dict.fromkeys(("md5",), "md5"),
    **dict.fromkeys(("sha1", "sha-1"), "sha1"),
    **dict.fromkeys(("sha256", "sha-256"), "sha256"),
    **dict.fromkeys(("sha512", "sha-512"), "sha512"),
    **dict.fromkeys(("hash", "file-hash", "filehash"), "hash"),
    **dict.fromkeys(("email", "email-addr", "email-src", "e-mail"), "email"),
    **dict.fromkeys(("filename", "file", "file-name", "file_name"), "file-name"),
    **dict.fromkeys(("ipv4-addr", "ipv6-addr"), "address"),
    **dict.fromkeys(("domain-name",), "domain"),
    **dict.fromkeys(("email-addr",), "email"),
    **dict.fromkeys(("regkey", "registry", "windows-registry-key"), "registry-key"),
    **dict.fromkeys(("as", "autonomous-system"), "asn"),
    **dict.fromkeys(("mac-address", "mac-addr"), "mac"),
}
"""Words for a kind, as a type's cell or as a column of its own."""


class Cell(Struct, frozen=True):
    """One cell, and where it stands in the text, without quotes."""

    text: str
    start: int
    end: int
    plain: bool
    """It stands in the text exactly as it is read: no quote was doubled in it."""


def read(
    raw: bytes,
    name: str,
    *,
    published: date | None = None,
    tlp: Tlp | None = None,
    columns: str | None = None,
    parser: Parser | None = None,
    progress: Progress | None = None,
) -> Reading:
    """Read a table of indicators.

    Args:
        tlp: the marking of rows that name none; a row's own tightens it.
        columns: names of the columns, with commas between them; the table then has no header.

    Raises:
        ReportSizeError: too many bytes or rows.
        ReportError: empty, binary, or no column holds values.
    """
    if len(raw) > MAX_BYTES:
        raise ReportSizeError(
            f"{name}: {len(raw)} bytes, and a table of drafts has at most {MAX_BYTES}",
            remedy="split it; or sweep with it as it is: tocsin sweep --indicators FILE",
        )
    losses: list[Loss] = []
    text = text_of(raw, name, losses)
    delimiter = _delimiter(text)
    rows = _rows(text, delimiter, losses)
    first = next((row for row in rows if not _is_comment(row)), None)
    if first is None:
        raise ReportError(f"{name}: no row in it", remedy="check that the download finished")
    if columns is not None:
        header = [one.strip() for one in columns.split(",")]
        _known(name, columns, header)
        # A header row that is there all the same is no row of values.
        titled = _is_header(first)
        body: Iterator[Sequence[Cell]] = rows if titled else _behind(first, rows)
        if titled:
            span = first[0].start, first[-1].end
            note = "a header row, and --columns says what the columns are: not read"
            losses.append(Loss(kind="column", span=span, note=note))
    else:
        header = [cell.text.strip() for cell in first]
        body = rows
    places, singles = _places(header, losses)
    if columns is None and "value" not in places and (only := _only_column(first)) is not None:
        # A kind of value as a cell of the first row (`a.example,domain`) makes it no header.
        places, singles, body = {"value": only}, {}, _behind(first, rows)
        losses[:] = [loss for loss in losses if loss.kind != "column"]
        note = f"no header row: column {only + 1} is taken as the values"
        losses.append(Loss(kind="column", note=note))
    elif "value" not in places and not singles:
        if columns is None:
            raise ReportError(
                f"{name}: no column of the header is `value`, a kind of value, or known here: "
                f"{', '.join(header[:8])}",
                remedy="name them: --columns value,type,first_seen,tlp,comment",
            )
        raise ReportError(
            f"{name}: --columns {columns} names no column `value`",
            remedy="for example --columns value,type,first_seen,tlp,comment",
        )
    return Reading(
        source=source_of(raw, name, MEDIA_TYPE, text=text, published=published),
        text=text,
        indicators=tuple(_drafts(body, places, singles, tlp, name, losses)),
        losses=tuple(_by_line(text, losses)),
    )


def _by_line(text: str, losses: Sequence[Loss]) -> Iterator[Loss]:
    """Losses with the line of the file each stands in, as an editor counts them."""
    at, line = 0, 1
    for loss in sorted(losses, key=lambda one: one.span or (0, 0)):
        if loss.span is None:
            yield loss
            continue
        end = loss.span[0]
        line += text.count("\n", at, end) + text.count("\r", at, end) - text.count("\r\n", at, end)
        at = end
        yield replace(loss, note=f"line {line}: {loss.note}")


def text_of(raw: bytes, name: str, losses: list[Loss]) -> str:
    """A table as text: UTF-8, UTF-16 with its mark, else Latin-1, which is a loss.

    Raises:
        ReportError: binary or empty.
    """
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if raw.startswith(mark):
            try:
                return raw.decode(encoding)
            except UnicodeDecodeError as wrong:
                raise ReportError(
                    f"{name}: begins like UTF-16 and is not, at byte {wrong.start}",
                    remedy="save it as UTF-8",
                ) from wrong
    if b"\0" in raw:
        raise ReportError(
            f"{name}: byte {raw.index(0)} is zero: this is no table of text",
            remedy="save the sheet as CSV in UTF-8",
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        text = raw.decode("latin-1")
        note = (
            f"not UTF-8 at byte {wrong.start}: read as Latin-1; look at what is not ASCII, "
            "or save the table as UTF-8"
        )
        losses.append(Loss(kind="bad-characters", note=note))
    if not text.strip():
        raise ReportError(f"{name}: the file is empty", remedy="check that the download finished")
    return text


def _delimiter(text: str) -> str:
    """The sign that cuts most of the first lines into the same number of cells."""
    lines = [x for x in text[:65_536].splitlines()[:50] if x.strip() and x[0] != "#"]
    best, found = 0, ","
    for sign in ",;\t|":
        counts = [line.count(sign) for line in lines]
        common = max(set(counts), key=counts.count) if counts else 0
        # `ip|port` has a bar in its values: it cuts only where nothing else does.
        agreeing = counts.count(common) * (1 if sign == "|" else 2) if common else 0
        if agreeing > best:
            best, found = agreeing, sign
    return found


_END = re.compile(r"\r\n|\n|\r")


def _rows(text: str, delimiter: str, losses: list[Loss]) -> Iterator[list[Cell]]:
    """Every row that is not blank, with the place of each cell. Spec: RFC 4180 §2."""
    at, size = 0, len(text)
    stop = re.compile("[\r\n" + re.escape(delimiter) + "]")
    while at < size:
        row: list[Cell] = []
        while True:
            cell, at = _cell(text, at, stop, losses)
            row.append(cell)
            if at < size and text[at] == delimiter and len(row) < MAX_COLUMNS:
                at += 1
                continue
            break
        if at < size and text[at] == delimiter:
            at = _line_end(text, at)
            _lose(losses, "bad-row", f"a row of more than {MAX_COLUMNS} cells was cut", row[0])
        if at < size and (end := _END.match(text, at)):
            at = end.end()
        if any(cell.text.strip() for cell in row):
            yield row


def _line_end(text: str, at: int) -> int:
    found = _END.search(text, at)
    return found.start() if found else len(text)


def _cell(text: str, at: int, stop: re.Pattern[str], losses: list[Loss]) -> tuple[Cell, int]:
    if not text.startswith('"', at):
        found = stop.search(text, at)
        end = found.start() if found else len(text)
        return Cell(text[at:end], at, end, True), end
    begin, parts = at + 1, []
    place = begin
    while True:
        quote = text.find('"', place)
        if quote < 0:
            end = _line_end(text, begin)
            cell = Cell(text[begin:end], begin, end, True)
            _lose(losses, "bad-row", "a quotation mark without its end: read to the line's", cell)
            return cell, end
        parts.append(text[place:quote])
        if text.startswith('""', quote):
            parts.append('"')
            place = quote + 2
            continue
        held = "".join(parts)
        found = stop.search(text, quote + 1)
        end = found.start() if found else len(text)
        return Cell(held, begin, quote, len(parts) == 1), end


def _is_comment(row: Sequence[Cell]) -> bool:
    return row[0].text.lstrip().startswith("#")


def _behind(first: list[Cell], rows: Iterator[list[Cell]]) -> Iterator[list[Cell]]:
    yield first
    yield from rows


def _places(header: Sequence[str], losses: list[Loss]) -> tuple[dict[str, int], dict[int, str]]:
    """Columns by what they are to us, and columns that are a kind of value each."""
    places: dict[str, int] = {}
    singles: dict[int, str] = {}
    unknown = []
    for n, title in enumerate(header):
        word = re.sub(r"[\s]+", "_", title.strip().strip("'\"").lower())
        role = _NAMES.get(word)
        kind = _kind(word)
        if role is not None and role not in places:
            places[role] = n
        elif kind is not None:
            singles[n] = kind
        else:
            unknown.append(title.strip()[:40] or f"column {n + 1}")
    if "value" in places:
        singles.clear()
    if unknown:
        note = f"not read: {', '.join(unknown[:10])}" + (" …" if len(unknown) > 10 else "")
        losses.append(Loss(kind="column", note=note))
    return places, singles


def _known(name: str, columns: str, header: Sequence[str]) -> None:
    """Refuse a word of `--columns` that is neither a column of ours nor a kind; "-" skips one."""
    for title in header:
        word = re.sub(r"[\s]+", "_", title.lower())
        if word in ("", "-", "_") or word in _NAMES or _kind(word) is not None:
            continue
        words = sorted({*_NAMES, *KINDS, *_SINGLE})
        near = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
        meant = f"did you mean {near[0]}? " if near else ""
        raise ReportError(
            f"{name}: --columns {columns}: there is no column {title!r}",
            remedy=f"{meant}value, type, first_seen, tlp, comment, a kind of value such as"
            " domain, or - for a column not to be read",
        )


def _is_header(row: Sequence[Cell]) -> bool:
    """Whether this row names columns: every cell a word for one, and none of them a value."""
    words = [re.sub(r"[\s]+", "_", cell.text.strip().lower()) for cell in row]
    return "value" in {_NAMES.get(word) for word in words} or (
        len(words) > 1 and all(word in _NAMES or _kind(word) is not None for word in words)
    )


def _kind(word: str) -> str | None:
    word = word.strip().lower()
    return _SINGLE.get(word) or (word if word in KINDS else None)


def _only_column(row: Sequence[Cell]) -> int | None:
    """The column that holds a value, where the first row has exactly one: then it is no header."""
    found = []
    for n, cell in enumerate(row):
        try:
            guess(cell.text)
            found.append(n)
        except IndicatorError:
            continue
    return found[0] if len(found) == 1 else None


def _drafts(
    rows: Iterator[Sequence[Cell]],
    places: dict[str, int],
    singles: dict[int, str],
    tlp: Tlp | None,
    name: str,
    losses: list[Loss],
) -> Iterator[IndicatorDraft]:
    columns = singles or {places["value"]: ""}
    seen: set[tuple[str, str]] = set()
    count = 0
    for row in rows:
        if _is_comment(row):
            continue
        count += 1
        if count > MAX_ROWS:
            raise ReportSizeError(
                f"{name}: more than {MAX_ROWS:,} rows, and each would be a draft",
                remedy="split it; or sweep with it as it is: tocsin sweep --indicators FILE",
            )
        for column, kind in columns.items():
            if column >= len(row):
                _lose(
                    losses,
                    "bad-row",
                    f"{len(row)} cells, and the value is cell {column + 1}",
                    row[0],
                )
                continue
            if not row[column].text.strip():
                if not singles:
                    _lose(losses, "bad-row", "no value", row[column])
                continue
            draft = _draft(row, column, kind, places, tlp, losses)
            if draft is not None and (draft.type, draft.value) not in seen:
                seen.add((draft.type, draft.value))
                yield draft


def _draft(
    row: Sequence[Cell],
    column: int,
    kind: str,
    places: dict[str, int],
    tlp: Tlp | None,
    losses: list[Loss],
) -> IndicatorDraft | None:
    cell = row[column]
    written = cell.text.strip()
    if len(written) > MAX_CELL:
        _lose(losses, "over-limit", f"a value of {len(written)} characters", cell)
        return None
    notes: list[str] = []
    value = written
    if value.startswith("'") and value[1:2] in ("=", "+", "-", "@"):
        value = value[1:]  # how tables keep a spreadsheet from computing it
    elif value.startswith(("=", "@")) or (value.startswith(("+", "-")) and "(" in value):
        _lose(losses, "formula", "a cell that a spreadsheet computes is no value", cell)
        return None

    def at(role: str) -> str:
        place = places.get(role)
        return row[place].text.strip() if place is not None and place < len(row) else ""

    told = kind or at("type")
    known = _kind(told) if told else None
    try:
        if known is None:
            known = guess(value)
            notes.append(f"type guessed: {told[:40]} is none we know" if told else "type guessed")
        settled, normal = settle(known, value)
    except IndicatorError as wrong:
        _lose(losses, "bad-value", wrong.message[:200], cell)
        return None
    until, first = _time(at("until")), _time(at("first"))
    for role, time in (("until", until), ("first", first)):
        if at(role) and time is None:
            notes.append(f"{at(role)[:40]} is no time: left out")
    if until is not None and until <= (first or ""):
        notes.append("it ends before it begins: its end is left out")
        until = None
    marking = _marking(at("tlp"), tlp, cell, losses)
    lead = len(cell.text) - len(cell.text.lstrip())
    span = (
        (cell.start + lead, cell.start + lead + len(written))
        if cell.plain
        else (cell.start, cell.end)
    )
    return IndicatorDraft(
        type=settled,
        value=normal,
        raw=written,
        span=span,
        defanged=refang(value)[0] != value,
        notes=tuple(notes),
        first_seen=first,
        valid_until=until,
        tlp=marking,
        comment=at("comment")[:2_000] or None,
    )


def _marking(said: str, asked: Tlp | None, cell: Cell, losses: list[Loss]) -> Tlp | None:
    """A row's own marking, never looser than the one asked for; words that are none mean RED."""
    if not said:
        return asked
    level = tlp_named(said if said.lower().startswith("tlp") else f"TLP:{said}")
    if level is None:
        _lose(losses, "marking", f"{said[:40]!r} is no level of TLP: marked RED", cell)
        return "RED"
    return strictest_tlp(x for x in (level, asked) if x is not None)


def _time(text: str) -> str | None:
    """An RFC 3339 time in UTC from a day or a time; None: it is neither."""
    if not text or len(text) > 40:
        return None
    try:
        if re.fullmatch(r"[0-9]{9,11}", text):
            found = datetime.fromtimestamp(int(text), UTC)
        else:
            found = datetime.fromisoformat(text)
            found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return found.strftime("%Y-%m-%dT%H:%M:%SZ") if found.year >= 1970 else None


def _lose(losses: list[Loss], kind: str, note: str, cell: Cell) -> None:
    lose(losses, kind, note, span=(cell.start, max(cell.end, cell.start)))
