"""What to look for: needles out of a list, a CSV, JSON lines, STIX, or a report.

Whatever a source holds that a sweep of raw text cannot look for is listed with a reason.

Spec: design/find.md §1.1 step 1, §1.5.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import orjson
from msgspec import Struct

from tocsin.errors import IndicatorError, PatternError, SweepError, UnreadableError
from tocsin.stix.bundle import Received, open_bundle
from tocsin.stix.needles import alternatives
from tocsin.stix.pattern import check, parse
from tocsin.stix.values import KINDS, guess, normalise
from tocsin.sweep.tokens import Needle

_MARKUP = (b"<!doctype", b"<html", b"<?xml", b"%pdf")
_KIND_OF = {
    "ipv4-addr": "address",
    "ipv6-addr": "address",
    "ip": "address",
    "ip-dst": "address",
    "ip-src": "address",
    "domain-name": "domain",
    "hostname": "domain",
    "fqdn": "domain",
    "uri": "url",
    "email-addr": "email",
    "file-hash": "hash",
    "filename": "file-name",
    "windows-registry-key": "registry-key",
    "regkey": "registry-key",
    "mac-addr": "mac",
    "autonomous-system": "asn",
    "hash": "hash",
    "sha-1": "sha1",
    "sha-256": "sha256",
    "sha-512": "sha512",
}
"""Words for a kind that are in use elsewhere: STIX types, MISP attribute types."""
_JSON = re.compile(rb"\{\s*[\"}]|\[\s*[\[{\"\]]")
"""How JSON begins; a list may begin with `[2001:db8::7]`, a report with a bracket."""
_SAMPLE = 1_000
"""Lines that are looked at to tell a list from a report."""


class LeftOut(Struct, frozen=True, kw_only=True):
    """Something in the source that is not looked for, and why."""

    what: str
    why: str


class Indicators(Struct, frozen=True, kw_only=True):
    """What was read out of one source."""

    needles: tuple[Needle, ...]
    left_out: tuple[LeftOut, ...] = ()
    form: str = "list"
    """`list`, `csv`, `jsonl`, `stix`, `report`, or `node`."""
    overrides: tuple[str, ...] = ()
    """Warninglists that the source itself asks to pass over, as an exercise does whose addresses
    are all documentation addresses; told in the summary like any other override."""


class _Draft(Protocol):
    """An indicator as an importer found it in a text."""

    @property
    def type(self) -> str: ...
    @property
    def value(self) -> str: ...


class _Reading(Protocol):
    @property
    def indicators(self) -> Sequence[_Draft]: ...


ReadReport = Callable[[bytes, str], _Reading]


def load_indicators(raw: bytes, name: str, read_report: ReadReport | None = None) -> Indicators:
    """Read the indicators in a file, whatever its form.

    Args:
        raw: the file's bytes.
        name: its name, for messages and for the importer.
        read_report: reads a report as `tocsin ingest` does; without it a report is refused.

    Raises:
        UnreadableError: empty, not text, or none of the forms we know.
        BundleError: STIX that does not open.
        SweepError: it opens, but holds nothing a sweep could look for.
    """
    head = raw[:4096].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not head:
        raise UnreadableError(f"{name} is empty", remedy="give a file with indicators in it")
    if _JSON.match(head):
        found = _json(raw)
    elif head.startswith(_MARKUP) or name.lower().endswith((".html", ".htm", ".pdf")):
        found = _report(raw, name, read_report)
    else:
        text = _text(raw, name, read_report)
        if isinstance(text, Indicators):
            found = text
        else:
            found = _csv(text) or _list(text) or _report(raw, name, read_report)
    if not found.needles:
        why = f": {found.left_out[0].what}: {found.left_out[0].why}" if found.left_out else ""
        raise SweepError(
            f"{name} ({found.form}) holds nothing that a sweep of raw text can look for{why}",
            remedy="give one value per line, a CSV with a `value` column, STIX indicators, or a "
            "report with indicators in it",
        )
    return found


def from_objects(objects: Iterable[Received]) -> Indicators:
    """The needles in STIX indicators; every indicator that gives none is listed with a reason."""
    needles: list[Needle] = []
    left_out: list[LeftOut] = []
    for received in objects:
        if received.problem is not None:
            left_out.append(LeftOut(what=received.id or "an object", why=received.problem))
        elif received.type == "indicator":
            _from_indicator(received.data, needles, left_out)
    return Indicators(needles=tuple(needles), left_out=tuple(left_out), form="stix")


def _from_indicator(
    data: Mapping[str, Any], needles: list[Needle], left_out: list[LeftOut]
) -> None:
    name, pattern = str(data.get("id", "an indicator")), data.get("pattern")
    kind = data.get("pattern_type", "stix")
    if data.get("revoked") is True:
        left_out.append(LeftOut(what=name, why="it was withdrawn by its author (revoked)"))
        return
    if kind != "stix" or not isinstance(pattern, str):
        left_out.append(LeftOut(what=name, why=f"its pattern is written in {kind!s}, not in STIX"))
        return
    try:
        tree = parse(pattern)
    except PatternError as wrong:
        left_out.append(LeftOut(what=name, why=f"its pattern cannot be read: {wrong.message}"))
        return
    broken = [one for one in check(tree) if one.severity == "error"]
    if broken:
        why = f"{broken[0].detail} (character {broken[0].position})"
        left_out.append(LeftOut(what=name, why=f"its pattern breaks a rule of STIX: {why}"))
        return
    pairs = alternatives(tree)
    if not pairs:
        left_out.append(
            LeftOut(
                what=name,
                why=f"its pattern is more than a list of values, and raw text cannot tell: "
                f"{pattern[:120]}",
            )
        )
        return
    valid_from, valid_until = data.get("valid_from"), data.get("valid_until")
    needles.extend(
        Needle(
            kind=kind,
            value=value,
            indicator=name,
            valid_from=valid_from if isinstance(valid_from, str) else None,
            valid_until=valid_until if isinstance(valid_until, str) else None,
        )
        for kind, value in pairs
    )


def _json(raw: bytes) -> Indicators:
    """STIX in any framing, or JSON lines of STIX indicators or of rows with a value."""
    rows = _rows(raw)
    if rows is None:
        return from_objects(open_bundle(raw))
    needles: list[Needle] = []
    left_out: list[LeftOut] = []
    for number, line, row in rows:
        what = f"line {number}"
        if not isinstance(row, dict):
            left_out.append(LeftOut(what=what, why=f"not a JSON object: {line[:60]}"))
        elif row.get("type") == "indicator" and "pattern" in row:
            _from_indicator(row, needles, left_out)
        else:
            _from_row({str(k).lower(): v for k, v in row.items()}, what, needles, left_out)
    return Indicators(needles=tuple(needles), left_out=tuple(left_out), form="jsonl")


def _rows(raw: bytes) -> list[tuple[int, str, Any]] | None:
    """The lines of JSON lines; None where the text is one JSON document, or is no JSON."""
    lines = [
        (number, line.strip())
        for number, line in enumerate(raw.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1)
        if line.strip()
    ]
    first = _decoded(lines[0][1]) if lines else None
    if not isinstance(first, dict):
        return None
    if len(lines) == 1 and ("value" not in first or "spec_version" in first):
        return None
    return [
        (number, line.decode("utf-8", "backslashreplace"), _decoded(line)) for number, line in lines
    ]


def _decoded(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return None


def _from_row(
    row: Mapping[str, Any], what: str, needles: list[Needle], left_out: list[LeftOut]
) -> None:
    """A row of a table: `value`, and where given `type` or `kind`, `indicator` or `id`."""
    value = row.get("value")
    if not isinstance(value, str) or not value.strip():
        left_out.append(LeftOut(what=what, why="it has no value"))
        return
    told = str(row.get("kind") or row.get("type") or "").strip().lower()
    name = row.get("indicator") or row.get("id")
    try:
        needles.append(
            _needle(
                value,
                told,
                name if isinstance(name, str) else None,
                row.get("valid_from"),
                row.get("valid_until"),
            )
        )
    except IndicatorError as wrong:
        left_out.append(LeftOut(what=what, why=wrong.message))


def _needle(
    value: str, told: str, indicator: str | None, valid_from: Any = None, valid_until: Any = None
) -> Needle:
    kind = _KIND_OF.get(told, told)
    if kind not in KINDS and kind not in ("address", "hash"):
        kind = guess(value)
    shown = value.strip()
    if kind in KINDS:
        shown = normalise(kind, value) if indicator is None and kind != "url" else shown
    return Needle(
        kind=kind,
        value=value,
        indicator=indicator or shown,
        valid_from=valid_from if isinstance(valid_from, str) and valid_from else None,
        valid_until=valid_until if isinstance(valid_until, str) and valid_until else None,
    )


def _text(raw: bytes, name: str, read_report: ReadReport | None) -> str | Indicators:
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if raw.startswith(mark):
            try:
                return raw.decode(encoding)
            except UnicodeDecodeError as wrong:
                raise UnreadableError(
                    f"{name} begins like UTF-16 and is not, at byte {wrong.start}",
                    remedy="write the list as UTF-8",
                ) from wrong
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        if read_report is not None:  # it may know the encoding, or the format
            return _report(raw, name, read_report)
        raise UnreadableError(
            f"{name} is not UTF-8 at byte {wrong.start}", remedy="write the list as UTF-8"
        ) from wrong
    if "\0" in text:
        raise UnreadableError(
            f"{name} is binary: it holds a zero byte at character {text.index(chr(0))}",
            remedy="give a text file, a STIX bundle or a report",
        )
    return text


def _lines(text: str) -> list[str]:
    """Lines as a file has them: NEL and the separators of Unicode are characters of a value."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _csv(text: str) -> Indicators | None:
    """A table whose first line names a column `value`."""
    lines = _lines(text)
    start = next((n for n, line in enumerate(lines) if line.strip() and line[0] != "#"), None)
    if start is None:
        return None
    for delimiter in ",;\t":
        header = [
            cell.strip().lower() for cell in next(csv.reader([lines[start]], delimiter=delimiter))
        ]
        if "value" in header and (len(header) > 1 or lines[start].strip().lower() == "value"):
            break
    else:
        return None
    needles: list[Needle] = []
    left_out: list[LeftOut] = []
    reader = csv.reader(io.StringIO("\n".join(lines[start + 1 :])), delimiter=delimiter)
    try:
        for row in reader:
            if row and any(cell.strip() for cell in row):
                cells = dict(zip(header, row, strict=False))
                _from_row(cells, f"line {start + 1 + reader.line_num}", needles, left_out)
    except csv.Error as wrong:
        left_out.append(LeftOut(what=f"from line {start + 1 + reader.line_num}", why=str(wrong)))
    return Indicators(needles=tuple(needles), left_out=tuple(left_out), form="csv")


def _list(text: str) -> Indicators | None:
    """One value per line; None where most lines are none, for then it is prose."""
    rows = [
        (number, line.strip())
        for number, line in enumerate(_lines(text), 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not rows:
        return None
    sample = rows[:: max(1, len(rows) // _SAMPLE)]
    if 2 * sum(_is_value(line) for _, line in sample) < len(sample):
        return None
    needles: list[Needle] = []
    left_out: list[LeftOut] = []
    for number, line in rows:
        _from_row({"value": line}, f"line {number}", needles, left_out)
    return Indicators(needles=tuple(needles), left_out=tuple(left_out), form="list")


def _is_value(line: str) -> bool:
    if len(line) > 2_048:
        return False
    try:
        kind = guess(line)
    except IndicatorError:
        return False
    # A sentence that ends in a file's name is not a file's name.
    return kind not in ("file-name", "path", "user-agent") or line.count(" ") < 3


def _report(raw: bytes, name: str, read_report: ReadReport | None) -> Indicators:
    if read_report is None:
        raise UnreadableError(
            f"{name} is no list of indicators",
            remedy="give one value per line, a CSV with a `value` column, or STIX",
        )
    return Indicators(needles=tuple(_from_drafts(read_report(raw, name).indicators)), form="report")


def _from_drafts(drafts: Iterable[_Draft]) -> Iterator[Needle]:
    seen: set[tuple[str, str]] = set()
    for draft in drafts:
        if (draft.type, draft.value) not in seen:
            seen.add((draft.type, draft.value))
            kind = _KIND_OF.get(draft.type, draft.type)
            yield Needle(kind=kind, value=draft.value, indicator=draft.value)
