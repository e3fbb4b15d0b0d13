"""Printed words against the original: numbers, dates, negation and loaded terms.

A difference is the outlet's, never the speaker's, and nothing is corrected: both sides are shown.
What is compared are facts of the two texts (a figure, a day, a "not", a term of the glossary), not
their meaning; words that say the same differently are not flagged. Spec: claims.md §3.8.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from msgspec import Struct

from tocsin.reading.cues import MONTHS
from tocsin.reading.scan import fold
from tocsin.reading.terms import (
    FAMILIES,
    NEGATION,
    NO_NEGATION,
    NUMBER_WORDS,
    SCALES,
    SOFT_NEGATION,
)
from tocsin.reading.tongues import READ, tongue

LONGEST = 20_000  # code points of either side that are compared


class Difference(Struct, frozen=True, kw_only=True):
    """One thing that the two texts say differently; `name` is the flag it makes.

    printed, original: what stands on either side, empty where nothing does.
    """

    name: str
    printed: tuple[str, ...]
    original: tuple[str, ...]
    of: str = "outlet"

    @property
    def note(self) -> str:
        """One plain sentence for a page."""
        here = ", ".join(self.printed) or "nothing"
        there = ", ".join(self.original) or "nothing"
        return f"{self.name}: printed {here}; in the original {there}"


def differences(
    printed: str, original: str, *, lang: str, original_lang: str
) -> tuple[Difference, ...]:
    """What an outlet printed otherwise than the words it gives, in a fixed order.

    Args:
        printed: the words as the outlet gives them, in `lang`.
        original: the words they were taken from, in `original_lang`.
        lang, original_lang: en or a language of `tongues.READ`; with any other only figures are
            compared.
    """
    printed, original = printed[:LONGEST], original[:LONGEST]
    found: list[Difference] = []
    here, rest_here = _days(printed, lang)
    there, rest_there = _days(original, original_lang)
    if here - there or there - here:
        found.append(_difference("date-mismatch", here - there, there - here))
    here_numbers = _numbers(rest_here, lang)
    there_numbers = _numbers(rest_there, original_lang)
    only_here = {_figure(n) for n in here_numbers - there_numbers}
    only_there = {_figure(n) for n in there_numbers - here_numbers}
    if only_here or only_there:
        found.append(_difference("number-mismatch", only_here, only_there))
    nots = _negation(printed, original, lang, original_lang)
    if nots is not None:
        found.append(nots)
    found.extend(_terms(printed, original, lang, original_lang))
    return tuple(found)


def _difference(name: str, here: Iterable[str], there: Iterable[str]) -> Difference:
    return Difference(name=name, printed=tuple(sorted(here)), original=tuple(sorted(there)))


# --- days ------------------------------------------------------------------------------------


@cache
def _day_patterns(lang: str) -> tuple[re.Pattern[str], ...]:
    iso = r"(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})"
    if lang in READ:
        return tuple(re.compile(one, re.IGNORECASE) for one in (*tongue(lang).dated[:1], iso))
    names, th = "|".join(sorted(MONTHS, key=len, reverse=True)), "(?:st|nd|rd|th)?"
    return tuple(
        re.compile(one, re.IGNORECASE)
        for one in (
            rf"\b(?P<d>\d{{1,2}}){th}(?: of)? (?P<m>{names})\b\.?(?:,? (?P<y>\d{{4}}))?",
            rf"\b(?P<m>{names})\b\.? (?P<d>\d{{1,2}}){th}\b(?:, (?P<y>\d{{4}}))?",
            iso,
        )
    )


def _days(text: str, lang: str) -> tuple[set[str], str]:
    """Calendar days in a text, as month-day (a year may be left out), and the text without them."""
    if lang not in READ and lang != "en":
        return set(), text
    found: set[str] = set()
    for pattern in _day_patterns(lang):
        for match in pattern.finditer(text):
            month = _month(match["m"], lang)
            if month:
                found.add(f"{month:02d}-{int(match['d']):02d}")
        text = pattern.sub(" ", text)
    return found, text


def _month(name: str, lang: str) -> int:
    if name.isdigit():
        return int(name)
    if lang in READ:
        return next(
            (n for n, month in enumerate(tongue(lang).months, 1) if month == name.lower()), 0
        )
    return MONTHS.get(name.lower(), 0)


# --- numbers ---------------------------------------------------------------------------------

_DIGITS = re.compile(r"\d+(?:[.,\u00a0\u202f\u066b\u066c]\d+)*")
_HAN = re.compile(
    r"[〇零一二两三四五六七八九十百千]+(?=[万亿个次名人家条起小时天年月%％艘座台处亿份])"
)
_HAN_DIGITS = {char: n for n, char in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_HAN_UNITS = {"十": 10, "百": 100, "千": 1000}


def _numbers(text: str, lang: str) -> set[float]:
    """The figures of a text above two: smaller ones are as often a turn of phrase as a count."""
    found: set[float] = set()
    low = fold(text)
    taken = 0  # where the last figure ended, its scale word included
    for start, end, value in sorted(_figures(low, lang)):
        if start < taken:
            continue
        factor, taken = _scale(low, end, lang)
        found.add(value * factor)
    return {value for value in found if value > 2}


def _figures(low: str, lang: str) -> Iterable[tuple[int, int, float]]:
    """Every figure and number word: where it begins and ends, and what it comes to."""
    for match in _DIGITS.finditer(low):
        yield match.start(), match.end(), _value(match.group(), lang)
    if lang == "zh":
        for match in _HAN.finditer(low):
            yield match.start(), match.end(), _han(match.group())
        return
    words = NUMBER_WORDS.get(lang, {})
    for match in re.finditer(r"[^\W\d_]+(?:-[^\W\d_]+)?", low):
        tens, _, ones = match.group().partition("-")
        if match.group() in words:
            yield match.start(), match.end(), words[match.group()]
        elif tens in words and ones in words:
            yield match.start(), match.end(), words[tens] + words[ones]


def _value(printed: str, lang: str) -> float:
    """A figure as printed: "1,200" and "1.200" by the language, "2.5" and "2,5" alike."""
    plain = printed.replace("\u00a0", "").replace("\u202f", "").replace("\u066c", "")
    plain = plain.replace("\u066b", ".")
    thousands = "," if lang in ("en", "zh", "ar") else "."
    parts = re.split(r"[.,]", plain)
    grouped = len(parts) > 1 and all(len(part) == 3 for part in parts[1:])
    if grouped and (thousands in plain or len(parts) > 2):
        return float("".join(parts))
    if len(parts) == 2:
        return float(f"{parts[0]}.{parts[1]}")
    return float("".join(parts))


def _scale(text: str, at: int, lang: str) -> tuple[float, int]:
    """What the word behind a figure multiplies it by, "3 million", 三亿; and where that ends."""
    start = at
    while start < len(text) and start < at + 2 and text[start] in " \u00a0\u202f":
        start += 1
    for word, factor in SCALES.get(lang, ()):
        end = start + len(word)
        whole = lang in ("zh", "ru", "ar") or not text[end : end + 1].isalpha()
        if text.startswith(word, start) and whole:
            return factor, end
    return 1.0, at


def _han(printed: str) -> float:
    total, digit = 0, 0
    for char in printed:
        if char in _HAN_UNITS:
            total += (digit or 1) * _HAN_UNITS[char]
            digit = 0
        else:
            digit = _HAN_DIGITS[char]
    return float(total + digit)


def _figure(value: float) -> str:
    return f"{value:.0f}" if value == int(value) else f"{value:g}"


# --- negation and terms ----------------------------------------------------------------------


def _nots(text: str, lang: str) -> tuple[list[str], list[str]]:
    """The negations of a text: those that stand as words, and those within a word."""
    low = fold(text)
    spared = NO_NEGATION.get(lang)
    if spared is not None:
        low = re.sub(spared, " ", low)
    hard = NEGATION.get(lang)
    soft = SOFT_NEGATION.get(lang)
    return (
        [] if hard is None else re.findall(hard, low),
        [] if soft is None else re.findall(soft, low),
    )


def _negation(printed: str, original: str, lang: str, original_lang: str) -> Difference | None:
    if lang not in NEGATION or original_lang not in NEGATION:
        return None
    hard_here, soft_here = _nots(printed, lang)
    hard_there, soft_there = _nots(original, original_lang)
    if hard_here and not hard_there and not soft_there:
        return _difference("negation-mismatch", set(hard_here), ())
    if hard_there and not hard_here and not soft_here:
        return _difference("negation-mismatch", (), set(hard_there))
    return None


def _terms(printed: str, original: str, lang: str, original_lang: str) -> Iterable[Difference]:
    """A loaded term that the original has, where the printed words have its neighbour instead."""
    here, there = fold(printed), fold(original)
    for family in FAMILIES:
        said = {name for name, forms in family.items() if _has(there, forms.get(original_lang))}
        given = {name: forms[lang] for name, forms in family.items() if _has(here, forms.get(lang))}
        if not said or not given or said & set(given):
            continue
        original_terms = [_found(there, family[name][original_lang]) for name in said]
        yield _difference(
            "quote-variant", [_found(here, form) for form in given.values()], original_terms
        )


def _has(text: str, form: str | None) -> bool:
    return form is not None and re.search(form, text) is not None


def _found(text: str, form: str) -> str:
    match = re.search(form, text)
    return "" if match is None else match.group()
