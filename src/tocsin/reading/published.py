"""The day a document gives as its own: labelled, in its head, its dateline or its foot.

Only a whole day as printed counts: "March 5" has no year, and 03/05/2026 is two days. A document
that gives days far apart has none, and whoever reads it in says which. Spec: claims.md §3.6.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date
from functools import cache
from typing import NamedTuple

from tocsin.reading import cues
from tocsin.reading.layout import Line, lines
from tocsin.reading.tongue_dates import whole_days
from tocsin.reading.tongues import READ, tongue

LABEL, STATED, PLACED = 0, 1, 2
"""How surely a day is the document's own: called so, in a page's metadata, by where it stands."""

_APART = 7
"""Days: a dateline is older than its publication by as much at most."""
_HEAD_LINES, _LABEL_LINES = 12, 60
_PROSE = 100
"""Characters: a longer line is a paragraph, and the head ends before it."""
_LONGEST = 160

_LABELS = (
    r"(?:first |originally )?published(?: on| at)?|posted(?: on| at)?|issued(?: on)?"
    r"|released(?: on)?|release date|publication date|date of (?:publication|issue|release)"
    r"|date (?:published|issued|posted)|date|dated|for immediate release"
    r"|publié(?:e)?(?: le)?|mis en ligne(?: le)?|date de publication"
    r"|publicad[oa](?: el)?|fecha de publicación|fecha"
    r"|опубликовано|дата публикации|дата"
    r"|发布(?:时间|日期|于)|发表(?:时间|日期|于)|日期|时间"
    r"|تاريخ النشر|نُ?شر(?:ت)?(?: في| بتاريخ)?|التاريخ"
)
_LABEL = re.compile(rf"(?:^\W*|[|·•—–(]\s*)(?:{_LABELS})\s*[:：|–—,-]*\s*$", re.IGNORECASE)
_OTHER = re.compile(
    r"updated|modified|revised|accessed|retrieved|mis à jour|actualizad|обновлен|更新|تحديث",
    re.IGNORECASE,
)
_BEFORE = re.compile(r"(?:^|[|·•—–:：(\-]|[,，])\s*[*_#>]*\s*(?:le |el |am |в |于)?$")
_AFTER = re.compile(
    r"\s*(?:года?\b|г\.)?[,，]?\s*(?:(?:at|um|à|a las|в)\s+)?"
    r"(?:\d{1,2}[:h.]\d\d(?::\d\d)?\s*(?:[ap]\.?m\.?)?\s*(?:\(?[A-Z]{2,4}\)?)?)?"
    r"\s*[)*_\]]*\s*(?:$|[|·•—–(\-]|[,，]\s*(?:by|par|por)\b)",
    re.IGNORECASE,
)
_EVENT = re.compile(
    r"press (?:conference|briefing|release)|news conference|\bbriefing|\bremarks|\binterview"
    r"|\btranscript|point de presse|conférence de presse|rueda de prensa|conferencia de prensa"
    r"|брифинг|пресс-конференци|记者会|发布会|答记者问|مؤتمر صحفي|إحاطة",
    re.IGNORECASE,
)
"""What is held on its own day: "Regular Press Conference on July 19, 2023" is a title's."""
_BYLINE = re.compile(r"^\W*(?:by|par|por|von|автор:?)\s", re.IGNORECASE)
_AGENCY = re.compile(r"\([^()]{1,40}\)[ ,]*$")
_LINKS = frozenset(["of", "the", "de", "del", "la", "le", "el"])
_DASH = re.compile(
    r"\s*(?:года?\b|г\.)?\s*(?:\([^()\n]{1,40}\)|/[^/\n]{1,40}/)?\s*(?:[.:]\s|[—–]|--|-\s)"
)


_ENDED = re.compile(r"\s*(?:года?|г\.)?\W*")


class Found(NamedTuple):
    """A day as a document gives it. span: None where it stands in metadata."""

    day: date
    printed: str
    span: tuple[int, int] | None
    rank: int


class OwnDay(NamedTuple):
    """The day a document gives as its own, or the several that contradict each other."""

    day: date | None
    printed: str
    """As it stands there; of several, each once."""


def own_day(found: Iterable[Found]) -> OwnDay | None:
    """The surest of the days found; None where there is none."""
    ordered = sorted(found, key=lambda one: (one.rank, one.span or (0, 0)))
    if not ordered:
        return None
    first = ordered[0]
    if any(abs((one.day - first.day).days) > _APART for one in ordered):
        printed = dict.fromkeys(f"“{one.printed}”" for one in ordered)
        return OwnDay(None, ", ".join([*printed][:4]))
    return OwnDay(first.day, first.printed)


def printed_days(text: str, lang: str | None) -> list[Found]:
    """Every day that a text gives as its own, by where and how it stands.

    Args:
        lang: of the text, by which its months are read; English and numbers are read besides.
    """
    all_lines = [line for line in _head_of(text) if line.text]
    return [
        *_labelled(all_lines[:_LABEL_LINES], lang),
        *_placed(all_lines[:_HEAD_LINES], lang),
        *_foot(_foot_of(text), lang),
    ]


def _head_of(text: str) -> list[Line]:
    return lines(text[: _LABEL_LINES * _LONGEST * 2])


def _foot_of(text: str) -> Line | None:
    """The last line, if it is a short one of several."""
    end = len(text.rstrip())
    start = text.rfind("\n", max(0, end - _LONGEST), end) + 1
    return Line(start, end, text[start:end]) if start else None


def _labelled(head: list[Line], lang: str | None) -> Iterator[Found]:
    """ "Published: 5 March 2026", "Release date | 2026-03-05"; a label may have its own line."""
    before = ""
    for line in head:
        for start, end, day in _days(line.text[:_LONGEST], lang):
            led = _lead(line.text[:start], lang)
            if _LABEL.search(led) or (not led.strip() and _LABEL.search(before[-_LONGEST:])):
                yield _found(line, start, end, day, LABEL)
                break
        before = line.text


def _placed(head: list[Line], lang: str | None) -> Iterator[Found]:
    """In the lines above the first paragraph, or in its dateline."""
    for line in head:
        prose = len(line.text) >= _PROSE
        for start, end, day in _days(line.text[:_LONGEST], lang):
            led, rest = _lead(line.text[:start], lang), line.text[end : end + _LONGEST]
            dateline = _is_place(led) and _DASH.match(rest)
            alone = (
                not prose
                and not _OTHER.search(line.text)
                and _AFTER.match(rest)
                and (_BEFORE.search(led) or _BYLINE.match(led))
            )
            held = not prose and _EVENT.search(line.text) and (not led or _ENDED.fullmatch(rest))
            if dateline or alone or held:
                yield _found(line, start, end, day, PLACED)
                break
        if prose:
            return


def _foot(line: Line | None, lang: str | None) -> Iterator[Found]:
    """ "Ostrava, 5 March 2026" as the last line of a statement."""
    for start, end, day in _days(line.text, lang) if line else ():
        assert line is not None
        led, rest = _lead(line.text[:start], lang), line.text[end:]
        if _is_place(led) and _ENDED.fullmatch(rest):
            yield _found(line, start, end, day, PLACED)
            return


def _is_place(led: str) -> bool:
    """Whether a day stands behind the name of a place: "NORDHAVN ", "Port of Nordhavn, le "."""
    named = _AGENCY.sub("", led.strip())
    words = [word for word in re.split(r"[\s,，*_]+", named) if word]
    if not 1 <= len(words) <= 6 or not (words[0].isupper() or "," in led or "，" in led):
        return False
    return all(not word[0].islower() or word in _LINKS for word in words)


def _found(line: Line, start: int, end: int, day: date, rank: int) -> Found:
    span = (line.start + start, line.start + end)
    return Found(day, line.text[start:end], span, rank)


def _lead(words: str, lang: str | None) -> str:
    """What stands before a day, without its weekday."""
    return _weekday(lang).sub("", words)


@cache
def _weekday(lang: str | None) -> re.Pattern[str]:
    named = [*cues.WEEKDAYS]
    if lang in READ:
        named += tongue(lang).weekdays
    return re.compile(rf"(?:{'|'.join(named)})\.?[,，]?\s*$", re.IGNORECASE)


# --- days -----------------------------------------------------------------------------------------

_MONTH = "|".join(sorted(cues.MONTHS, key=len, reverse=True))
_DAYS = (
    re.compile(r"(?<!\d)(?P<y>\d{4})([-/.])(?P<m>\d{1,2})\2(?P<d>\d{1,2})(?!\d)", re.ASCII),
    re.compile(r"(?<![\d.])(?P<d>\d{1,2})\.(?P<m>\d{1,2})\.(?P<y>\d{4})(?![\d.]\d)", re.ASCII),
    re.compile(
        rf"\b(?P<d>\d{{1,2}})(?:st|nd|rd|th)?[ -](?:of )?(?P<m>{_MONTH})\.?,?[ -](?P<y>\d{{4}})\b",
        re.IGNORECASE,
    ),
    re.compile(
        rf"\b(?P<m>{_MONTH})\.? (?P<d>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<y>\d{{4}})\b", re.IGNORECASE
    ),
)
_SLASHED = re.compile(r"(?<![\d/])(\d{1,2})/(\d{1,2})/(\d{4})(?![\d/])", re.ASCII)


def whole_day(value: str) -> date | None:
    """The first day in a value of metadata: "2026-03-05T14:30:00Z", "20260305", "5 March 2026"."""
    compact = re.fullmatch(r"\s*(\d{4})(\d\d)(\d\d)\s*", value, re.ASCII)
    found = _days("-".join(compact.groups()) if compact else value[:_LONGEST], None)
    return found[0][2] if found else None


def _days(words: str, lang: str | None) -> list[tuple[int, int, date]]:
    """(start, end, day) of every whole day printed in a line, in order."""
    found: dict[int, tuple[int, date]] = {}
    for pattern in _DAYS:
        for match in pattern.finditer(words):
            month = match["m"]
            number = int(month) if month.isdigit() else cues.MONTHS[month.lower()]
            _add(found, match.span(), int(match["y"]), number, int(match["d"]))
    for match in _SLASHED.finditer(words):
        one, two, year = (int(part) for part in match.groups())
        # Who writes the month first and who the day: only a number over twelve tells, or equals.
        day, month = (one, two) if one > 12 or one == two else (two, one)
        if max(one, two) > 12 or one == two:
            _add(found, match.span(), year, month, day)
    if lang in READ:
        for start, end, value in whole_days(words, tongue(lang)):
            found.setdefault(start, (end, date.fromisoformat(value)))
    return [(start, end, day) for start, (end, day) in sorted(found.items())]


def _add(
    found: dict[int, tuple[int, date]], span: tuple[int, int], year: int, month: int, day: int
) -> None:
    try:
        value = date(year, month, day)
    except ValueError:
        return
    if 1900 <= year <= 2100:
        found.setdefault(span[0], (span[1], value))
