"""Tables of incidents with their attributions: who attributes what to whom, as drafts of claims.

One row is one incident, or one attribution of it. Several attributions of a row stand in cells of
several values with ";" between them, the n-th of each being of the n-th attribution. What a cell
says is never mended and never guessed: a defect is a flag on every draft of its row.

Flags: bad-date, interval-reversed, no-speaker, same-source, unaligned, unknown-country-code,
year-only. Kinds of losses: bad-characters, bad-row, column, no-attribution, over-limit.

Spec: the columns of the global and the attribution data set of the European Repository of Cyber
Incidents, versions 1.0 to 1.3; claims.md §1, §3.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from unicodedata import category

from msgspec import Struct
from msgspec.structs import replace

from tocsin.errors import ReportError, ReportSizeError
from tocsin.importers import countries
from tocsin.importers.csv import text_of
from tocsin.importers.dates import Read, read_date
from tocsin.importers.interface import Loss, Progress, Reading, lose, source_of
from tocsin.policy import Tlp
from tocsin.reading.draft import Coded, Draft, DraftFlag
from tocsin.reading.parsed import Parser

MAX_BYTES = 64 * 1024 * 1024
MAX_ROWS = 100_000
MAX_BLANK = 100_000
"""Rows without a value: a file of line ends alone is no table."""
MAX_DRAFTS = 100_000
MAX_COLUMNS = 300
MAX_CELL = 131_072
"""Characters of one cell, as the standard library counts them."""
MAX_VALUES = 50
"""Attributions of one row, and speakers of one attribution."""
MAX_NAME = 300
MAX_LINE = 1_200
MAX_SOURCES = 20
MAX_FLAGS = 100
"""Of one draft."""
MEDIA_TYPE = "text/csv"

_COLUMNS: dict[str, tuple[str, ...]] = {
    "id": ("incident_id", "id"),
    "name": ("name", "incident_name"),
    "start": ("start_date",),
    "end": ("end_date",),
    "receiver": ("receiver_country",),
    "receiver_code": ("receiver_country_alpha_2_code", "receiver_alpha_2"),
    "category": ("receiver_category",),
    "attribution": ("attribution_id",),
    "date": ("attribution_date",),
    "type": ("attribution_type",),
    "basis": ("attribution_basis",),
    "actor": ("attributing_actor",),
    "company": ("attributing_company", "attribution_it_company"),
    "initiator": ("attributed_initiator", "attributed_initiator_name", "initiator_name"),
    "country": ("attributed_initiator_country", "initiator_country"),
    "country_code": ("initiator_alpha_2",),
    "attribution_url": ("attribution_source_url", "sources_attribution"),
    "url": ("source_url", "sources_url"),
}
"""What a column is to us, and what it is called, the one that counts first."""
_ALIGNED = ("date", "type", "basis", "actor", "company", "initiator", "country")
_SAYING = ("actor", "company", "initiator", "country")
_ABSENT = frozenset(("", "not available", "none", "nan", "n/a", "unknown", "-", "null"))


class _Attribution(Struct, frozen=True):
    """One attribution of a row: its values by what they are, and those that belong to none."""

    values: dict[str, list[str]]
    unaligned: tuple[str, ...] = ()


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
    """Read a table of incidents into drafts of attributions, one for each that speaks.

    Args:
        tlp, columns: not used: whoever accepts marks it, and a header row is asked for.

    Raises:
        ReportSizeError: more than `MAX_BYTES`, `MAX_ROWS`, `MAX_BLANK` or `MAX_DRAFTS`.
        ReportError: empty, binary, or no columns of incidents and attributions.
    """
    if len(raw) > MAX_BYTES:
        raise ReportSizeError(
            f"{name}: {len(raw)} bytes, and a table of incidents has at most {MAX_BYTES}",
            remedy="split its rows over several files, each with the header",
        )
    losses: list[Loss] = []
    rows = _rows(text_of(raw, name, losses), name, losses)
    header = next(rows, (0, []))[1]
    places = _places(header, name, losses)
    table = _Table(places, name, losses)
    for number, row in rows:
        table.take(number, row)
    drafts, text = table.finish()
    return Reading(
        source=source_of(raw, name, MEDIA_TYPE, text=text, published=published),
        text=text,
        drafts=drafts,
        losses=tuple(losses),
    )


def _rows(text: str, name: str, losses: list[Loss]) -> Iterator[tuple[int, list[str]]]:
    """(row number, cells); the header is row 0, blank rows are none."""
    reader = csv.reader(_lines(text), delimiter=_delimiter(text))
    number = blank = 0
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as wrong:
            lose(losses, "bad-row", f"line {reader.line_num} cannot be read: {wrong}")
            continue
        if not any(cell.strip() for cell in row):
            blank += 1
            if blank > MAX_BLANK:
                raise ReportSizeError(
                    f"{name}: more than {MAX_BLANK:,} rows without a value",
                    remedy="take out the blank rows",
                )
            continue
        if len(row) > MAX_COLUMNS:
            lose(losses, "over-limit", f"{len(row)} cells, cut to {MAX_COLUMNS}", f"/{number}")
            row = row[:MAX_COLUMNS]
        yield number, row
        number += 1


_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")


def _lines(text: str) -> Iterator[str]:
    """Lines with their ends, cut at line feeds and carriage returns only."""
    return (found[0] for found in _LINE.finditer(text) if found[0])


def _delimiter(text: str) -> str:
    """The sign that cuts the header into the most cells: values are lists with ";" themselves."""
    found = _LINE.match(text)
    header = found[0][:65_536] if found else ""
    return max((",", "\t", ";"), key=header.count)


def _places(header: Sequence[str], name: str, losses: list[Loss]) -> dict[str, int]:
    titles = [cell.strip().strip("'\"").lower().replace(" ", "_") for cell in header]
    at = {title: n for n, title in reversed(list(enumerate(titles)))}
    places = {}
    for role, words in _COLUMNS.items():
        found = next((at[word] for word in words if word in at), None)
        if found is not None:
            places[role] = found
    if not {"id", "name"} & places.keys() or not {"actor", "company"} & places.keys():
        raise ReportError(
            f"{name}: no columns of incidents and who attributes them: {', '.join(titles[:8])}",
            remedy="its header needs incident_id or name, and attributing_actor",
        )
    unread = [title[:40] for n, title in enumerate(titles) if n not in places.values()]
    if unread:
        note = f"not read: {', '.join(unread[:10])}" + (" …" if len(unread) > 10 else "")
        losses.append(Loss(kind="column", note=note))
    return places


class _Table:
    """Rows turned into drafts, one after the other, and the text that lists them."""

    def __init__(self, places: dict[str, int], name: str, losses: list[Loss]) -> None:
        self._places, self._name, self._losses = places, name, losses
        self._drafts: list[Draft] = []
        self._lines: list[str] = []
        self._at = 0
        self._sources: dict[str, tuple[str, int, int, int]] = {}
        """Address → (incident, row, its first draft, behind its last)."""
        self._again: dict[str, int] = {}
        """Address → in how many more rows it stands."""

    def take(self, number: int, row: Sequence[str]) -> None:
        if number > MAX_ROWS:
            raise ReportSizeError(
                f"{self._name}: more than {MAX_ROWS:,} rows",
                remedy="split its rows over several files, each with the header",
            )
        if max(self._places.values()) >= len(row):
            note = f"{len(row)} cells, and the header has more: what is missing counts as empty"
            lose(self._losses, "bad-row", note, f"/{number}")
        cells = {
            role: row[place].strip()[:MAX_CELL] if place < len(row) else ""
            for role, place in self._places.items()
        }
        flags: list[DraftFlag] = []
        span = self._interval(number, cells, flags)
        self._codes(number, cells, flags)
        first = len(self._drafts)
        for attribution in self._attributions(number, cells):
            self._say(number, cells, span, attribution, flags)
        if len(self._drafts) == first:
            told = f"; besides: {', '.join(sorted({f.name for f in flags}))}" if flags else ""
            note = f"incident {_clip(cells.get('id', ''), 40) or '?'}: nobody attributes it{told}"
            lose(self._losses, "no-attribution", note, f"/{number}")
        self._shared(number, cells, first)

    def finish(self) -> tuple[tuple[Draft, ...], str]:
        return tuple(self._drafts), "".join(self._lines)

    # --- what a row says

    def _interval(
        self, number: int, cells: dict[str, str], flags: list[DraftFlag]
    ) -> tuple[str, str]:
        start = self._date(number, "start", cells.get("start", ""), flags)
        end = self._date(number, "end", cells.get("end", ""), flags)
        if start and end and start.first > end.last:
            note = f"starts {cells['start']}, ends {cells['end']}: it ends before it starts"
            flags.append(self._flag("interval-reversed", note, number, "end"))
        return _given(cells.get("start", "")), _given(cells.get("end", ""))

    def _date(self, number: int, role: str, printed: str, flags: list[DraftFlag]) -> Read | None:
        if not _given(printed):
            return None
        found = read_date(printed)
        shown = _clip(printed, 60)
        if found is None:
            flags.append(
                self._flag("bad-date", f"{shown!r} cannot be read as a date", number, role)
            )
        elif found.precision == "year":
            flags.append(self._flag("year-only", f"{shown}: a year and no day", number, role))
        return found

    def _codes(self, number: int, cells: dict[str, str], flags: list[DraftFlag]) -> None:
        for role in ("receiver_code", "country_code"):
            for code in dict.fromkeys(_values(cells.get(role, ""))):
                if _given(code) and not countries.known(code):
                    note = f"{_clip(code, 40)!r} is no country code of ISO 3166-1"
                    flags.append(self._flag("unknown-country-code", note, number, role))
                    if len(flags) >= MAX_VALUES:
                        return

    def _attributions(self, number: int, cells: dict[str, str]) -> Iterator[_Attribution]:
        lists = {role: _values(cells.get(role, "")) for role in ("attribution", *_ALIGNED)}
        given = [len(values) for values in lists.values() if any(map(_given, values))]
        if not any(_given(v) for role in _SAYING for v in lists[role]):
            return
        ids = lists["attribution"]
        count = len(ids) if any(map(_given, ids)) else max(given, default=0)
        if count > MAX_VALUES:
            note = f"{count} attributions of one incident: the first {MAX_VALUES} are read"
            lose(self._losses, "over-limit", note, f"/{number}")
        for n in range(min(count, MAX_VALUES)):
            values: dict[str, list[str]] = {}
            unaligned = []
            for role in _ALIGNED:
                whole = cells.get(role, "")
                nested = whole.split(" - ")
                if len(lists[role]) == count:
                    values[role] = [lists[role][n]]
                elif count > 1 and len(nested) == count:
                    values[role] = _values(nested[n])  # a list for each attribution
                elif len(lists[role]) == 1 or count == 1:
                    values[role] = lists[role]
                elif any(map(_given, lists[role])):
                    unaligned.append(role)
            yield _Attribution(
                {role: [v for v in found if _given(v)] for role, found in values.items()},
                tuple(unaligned),
            )

    def _say(
        self,
        number: int,
        cells: dict[str, str],
        span: tuple[str, str],
        one: _Attribution,
        of_row: Sequence[DraftFlag],
    ) -> None:
        """A draft for each that speaks in one attribution; one without a speaker for nobody."""
        spoken = any(one.values.get(role) for role in _SAYING)
        if not spoken and not one.unaligned:
            return
        flags = list(of_row)
        for role in one.unaligned:
            note = "as many values as there are attributions are needed to tell whose each is"
            flags.append(self._flag("unaligned", note, number, role))
        printed = ", ".join(one.values.get("date", ()))
        said = self._date(number, "date", printed, flags)
        speakers = one.values.get("actor") or one.values.get("company") or []
        if not speakers:
            note = "who attributes it is not given"
            flags.append(self._flag("no-speaker", note, number, "actor"))
        heard: Sequence[str | None] = (None,)
        if speakers:
            heard = [*dict.fromkeys(speakers)][:MAX_VALUES]
        for speaker in heard:
            self._add(number, cells, span, one, speaker, said, printed, flags)

    def _add(
        self,
        number: int,
        cells: dict[str, str],
        span: tuple[str, str],
        one: _Attribution,
        speaker: str | None,
        said: Read | None,
        printed: str,
        flags: Sequence[DraftFlag],
    ) -> None:
        if len(self._drafts) == MAX_DRAFTS:
            raise ReportSizeError(
                f"{self._name}: more than {MAX_DRAFTS:,} attributions, and each would be a draft",
                remedy="split its rows over several files, each with the header",
            )

        def told(role: str) -> str | None:
            return _clip(", ".join(one.values.get(role, ())), MAX_NAME) or None

        title = _clip(cells.get("name", ""), MAX_NAME)
        incident = _clip(cells.get("id", ""), 100)
        line = _gist(title or f"incident {incident}", span, cells, told, speaker, printed)
        urls = _urls(cells.get("attribution_url", ""), cells.get("url", ""))
        basis = told("basis") or ""
        notes = [f"row {number}"]
        if basis:
            notes.append(f"basis: {_clip(basis, 120)}")
        self._drafts.append(
            Draft(
                claim_type="attribution",
                speaker=_clip(speaker, MAX_NAME) if speaker else None,
                speaker_role=None,
                addressee=told("country"),
                about=(title,) if title else (),
                words=line,
                span=(self._at, self._at + len(line)),
                direct=False,
                date=said.value if said else None,
                precision=said.precision if said else None,
                cue=None,
                confidence_notes=tuple(notes),
                flags=tuple(flags),
                coded=Coded(
                    pointer=f"/{number}",
                    capacity=_capacity(basis),
                    actor=told("initiator"),
                    incident=(incident or f"row {number}", title or f"incident {incident}"),
                    sources=urls,
                ),
            )
        )
        self._lines += (line, "\n")
        self._at += len(line) + 1

    def _shared(self, number: int, cells: dict[str, str], first: int) -> None:
        """Flag the drafts of two incidents that give the same address as their source."""
        incident = cells.get("id", "") or f"row {number}"
        last = len(self._drafts)
        done = set()
        for url in _urls(cells.get("url", ""), most=MAX_SOURCES):
            key = url.rstrip("/")
            other = self._sources.setdefault(key, (incident, number, first, last))
            if other[0] == incident or other[1] in done:
                continue
            done.add(other[1])
            self._again[key] = self._again.get(key, 0) + 1
            if self._again[key] <= MAX_SOURCES:
                self._flag_all(other[2], other[3], f"/{other[1]}", incident, number, url)
            self._flag_all(first, last, f"/{number}", other[0], other[1], url)

    def _flag_all(
        self, first: int, last: int, pointer: str, incident: str, number: int, url: str
    ) -> None:
        note = (
            f"{_clip(url, 200)} is the source of incident {_clip(incident, 40)} too, row {number}"
        )
        flag = DraftFlag(name="same-source", note=note, pointer=f"{pointer}/source_url")
        for n in range(first, last):
            one = self._drafts[n]
            if len(one.flags) < MAX_FLAGS:
                self._drafts[n] = replace(one, flags=(*one.flags, flag))

    def _flag(self, name: str, note: str, number: int, role: str) -> DraftFlag:
        return DraftFlag(name=name, note=note, pointer=f"/{number}/{_COLUMNS[role][0]}")


def _gist(
    title: str,
    span: tuple[str, str],
    cells: dict[str, str],
    told: Callable[[str], str | None],
    speaker: str | None,
    printed: str,
) -> str:
    """The row's fields as one line of ours: no adjective, nothing that is not in a cell."""
    whom = told("initiator") or "nobody named"
    country = told("country")
    parts = [
        f"{title}: {_clip(speaker or 'a speaker not given', MAX_NAME)} attributes it to {whom}"
    ]
    parts[0] += f" ({country})" if country else ""
    if any(span):
        parts.append(f"from {_clip(span[0], 60) or '?'} to {_clip(span[1], 60) or '?'}")
    receiver = _clip(cells.get("receiver", ""), MAX_NAME)
    if _given(receiver):
        parts.append(f"receivers in {receiver}")
    if printed:
        parts.append(f"attributed on {_clip(printed, 60)}")
    for role in ("basis", "type"):
        if told(role):
            parts.append(f"{role}: {told(role)}")
    return _clip("; ".join(parts), MAX_LINE)


def _capacity(basis: str) -> str:
    """The capacity of a speaker, where the data set's own word for the basis gives one."""
    word = basis.casefold()
    for part, capacity in (("it-security", "vendor"), ("government", "agency"), ("media", "press")):
        if part in word:
            return capacity
    return "unknown"


def _values(cell: str) -> list[str]:
    most = 10 * MAX_VALUES  # more than are read, so that a longer list is still told as too long
    return [one.strip() for one in cell.split(";", most)[:most]]


def _given(value: str) -> str:
    """What stands in a cell, without space around it; a mark nobody sees is nothing."""
    bare = value.strip()
    nothing = bare.casefold() in _ABSENT or all(category(char)[0] in "CZ" for char in bare)
    return "" if nothing else bare


def _urls(*cells: str, most: int = MAX_SOURCES) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for cell in cells:
        for one in cell.split(";")[: 10 * most]:
            url = one.strip()
            if url.startswith(("https://", "http://")) and len(url) <= 2_000 and " " not in url:
                found[url] = None
    return tuple(found)[:most]


def _clip(text: str, most: int) -> str:
    flat = " ".join(text[: 2 * most].split())
    return flat if len(flat) <= most else flat[: most - 1] + "…"
