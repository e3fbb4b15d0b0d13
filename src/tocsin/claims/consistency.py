"""Whether one speaker gives other figures or another interval for the same matter.

What is compared is few and plain: a number before the thing it counts ("43 hospitals"), and an
interval with both its ends ("between September 2008 and June 2019"). Figures that are said to be
about so many are left alone, and what is given less exactly agrees with what is given more
exactly. A difference is shown on both and decides nothing. In languages whose writing these forms
do not fit, nothing is found.

Spec: claims.md §1, flag `speaker-inconsistent`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations

from msgspec import Struct

LONGEST = 5_000
"""Characters of a text that are looked at."""
MOST_THINGS = 60
"""Things of one text whose number is looked at."""
FLAG = "speaker-inconsistent"


def _listed(words: str) -> list[str]:
    return words.split()


_NUMERALS = _listed("two three four five six seven eight nine ten eleven twelve")
_WORDS = {word: n for n, word in enumerate(_NUMERALS, 2)}
_NUMBER = re.compile(
    r"(?<![\w.,/:-])(?P<n>\d{1,3}(?:,\d{3})+|\d{1,9}|" + "|".join(_WORDS) + r")"
    r"(?P<rest>(?:[ -][^\W\d_][\w'’-]*){1,3})",
    re.IGNORECASE,
)
_ROUGH = re.compile(
    r"(?:about|around|some|nearly|almost|roughly|approximately|than|least|most|over|under|up to|"
    r"another|further|first|last|of the|among the)\s*$",
    re.IGNORECASE,
)
_STOP = frozenset(
    _listed(
        "a an and are as at be been but by can could did do does for from had has have he her his "
        "if in into is it its may more no not of on or our out over per she since so than that the "
        "their them then there these they this those to up was we were when where which who will "
        "with would you your"
    )
)
_NOT_COUNTED = frozenset(
    _listed(
        "january february march april may june july august september october november december am "
        "pm percent per cent million billion thousand hundred dozen st nd rd th utc gmt bit"
    )
)
_MONTHS = {
    word: n
    for n, name in enumerate(
        _listed(
            "january february march april may june july august september october november december"
        ),
        1,
    )
    for word in (name, name[:3], name[:4])
}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_DATE = (
    rf"(?:\d{{4}}-\d{{2}}-\d{{2}}|\d{{1,2}}\.\d{{1,2}}\.\d{{4}}|"
    rf"(?:\d{{1,2}}\s+)?(?:{_MONTH})\.?\s+(?:\d{{1,2}},\s*)?\d{{4}}|\d{{4}})"
)
_INTERVAL = re.compile(
    rf"\b(?:from|between)\s+(?P<a>{_DATE})\s+(?:to|until|till|through|and)\s+(?P<b>{_DATE})(?![\w-])",
    re.IGNORECASE,
)
_TOKEN = re.compile(r"[^\W\d_]{4,}")


class Figures(Struct, frozen=True, kw_only=True):
    """What a text gives in figures."""

    counts: dict[str, frozenset[int]]
    """What is counted, casefolded → how many."""
    intervals: frozenset[tuple[str, str]]
    """(first, last), each year, year-month or year-month-day."""
    about: frozenset[str]
    """The longer words of the text, to tell its matter by."""


class Difference(Struct, frozen=True, kw_only=True):
    """One thing for which two texts give different figures."""

    what: str
    here: str
    there: str


def figures(text: str) -> Figures:
    """The counts and intervals in a text. Linear in its length."""
    text = text[:LONGEST]
    counts: dict[str, set[int]] = {}
    for found in _NUMBER.finditer(text):
        thing = _thing(found["rest"])
        printed = found["n"].casefold()
        value = _WORDS[printed] if printed in _WORDS else int(printed.replace(",", ""))
        year = printed.isdigit() and len(printed) == 4 and 1900 <= value <= 2199
        rough = _ROUGH.search(text, max(0, found.start() - 16), found.start())
        if thing and not year and not rough and (thing in counts or len(counts) < MOST_THINGS):
            counts.setdefault(thing, set()).add(value)
    spans = {(_date(m["a"]), _date(m["b"])) for m in _INTERVAL.finditer(text)}
    return Figures(
        counts={thing: frozenset(values) for thing, values in counts.items()},
        intervals=frozenset((a, b) for a, b in spans if a and b),
        about=frozenset(word.casefold() for word in _TOKEN.findall(text)) - _STOP,
    )


def _thing(rest: str) -> str:
    """The last word of "43 public hospitals were": what is counted; "" where that is nothing."""
    kept = ""
    for word in re.split(r"[ -]", rest.strip(" -").casefold()):
        if word in _STOP:
            break
        if word in _NOT_COUNTED:
            return ""
        kept = word
    return kept if len(kept) > 2 else ""


def _date(printed: str) -> str:
    words = printed.casefold().replace(",", " ").split()
    if len(words) == 1:
        if "." in words[0]:
            parts = [int(part) for part in words[0].split(".")]
            return f"{parts[2]}-{parts[1]:02}-{parts[0]:02}"
        return words[0]
    month = next((_MONTHS[w.rstrip(".")] for w in words if w.rstrip(".") in _MONTHS), 0)
    days = [int(word) for word in words[:-1] if word.isdigit()]
    return f"{words[-1]}-{month:02}" + (f"-{days[0]:02}" if days else "")


def differences(one: Figures, other: Figures, *, same_matter: bool = False) -> list[Difference]:
    """Where two texts of one speaker give different figures, in the order of what differs.

    Each must give exactly one figure for it: of several nobody can tell which is meant.

    Args:
        same_matter: something else says that both are about one matter; otherwise two longer
            words have to be in both, besides what is counted.
    """
    found = []
    shared = one.about & other.about
    for thing in sorted(one.counts.keys() & other.counts.keys()):
        here, there = one.counts[thing], other.counts[thing]
        near = same_matter or len(shared - {thing}) >= 2
        if len(here) == len(there) == 1 and here != there and near:
            found.append(
                Difference(what=thing, here=str(next(iter(here))), there=str(next(iter(there))))
            )
    if len(one.intervals) == len(other.intervals) == 1 and (same_matter or len(shared) >= 2):
        [here_span], [there_span] = one.intervals, other.intervals
        if not all(_agree(a, b) for a, b in zip(here_span, there_span, strict=True)):
            here_told, there_told = (" to ".join(span) for span in (here_span, there_span))
            found.append(Difference(what="interval", here=here_told, there=there_told))
    return found


def _agree(one: str, other: str) -> bool:
    """What is given less exactly agrees with what is given more exactly."""
    return one.startswith(other) or other.startswith(one)


MOST_TOGETHER = 200
"""Texts of one speaker and matter that are compared with each other."""
MOST_PAIRS = 2 * MOST_TOGETHER**2
"""Pairs of one speaker's texts that are looked at, over all matters; also one that comes again."""
MOST_TOLD = 50
"""Differences after which no more are looked for between texts that have as many."""


class Compared:
    """What was compared of one speaker so far: bounded, whatever the texts hold."""

    def __init__(self) -> None:
        self._looked = 0
        self._pairs: set[tuple[int, int]] = set()
        self._told: Counter[int] = Counter()

    def among(
        self, texts: Sequence[tuple[int, Figures]], *, same_matter: bool = False
    ) -> Iterator[tuple[int, int, Difference]]:
        """(number, number, difference) of every two that differ; of very many only the first.

        Args:
            texts: each with a number of its own; two that were compared before are not again.
        """
        some = [(n, given) for n, given in texts if given.counts or given.intervals]
        for (n, one), (m, other) in combinations(some[:MOST_TOGETHER], 2):
            if self._looked >= MOST_PAIRS:
                return
            self._looked += 1
            if (n, m) in self._pairs or min(self._told[n], self._told[m]) >= MOST_TOLD:
                continue
            self._pairs.add((n, m))
            for found in differences(one, other, same_matter=same_matter)[:MOST_TOLD]:
                self._told.update((n, m))
                yield n, m, found
