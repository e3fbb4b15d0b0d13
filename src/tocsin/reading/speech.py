"""Speech without quotation marks: the dash of a dialogue. Spec: claims.md §3.3."""

from __future__ import annotations

import re

from tocsin.reading.layout import Paragraph, Quotation
from tocsin.reading.scan import cut
from tocsin.reading.tongues import Tongue

_DASH = re.compile(r"[—–―]")
_DASHED = re.compile(r"[,!?…]\s*[—–]\s*(?P<cue>[^—–]{3,120}?)(?P<end>[.,]?\s*[—–]\s*[.,]?\s*)")
_COMMAED = re.compile(r"[,!?…] (?P<cue>[^.,;:!?«»]{3,100})(?P<end>[.,] )")
MOST_BREAKS = 8  # cues looked for inside one pair of marks


def dialogue(text: str, paragraph: Paragraph, table: Tongue) -> list[Quotation]:
    """A paragraph that opens with a dash, as speech cut out around "— X said —".

    Only where a cue tells who speaks: a list may be set with dashes too.
    """
    if text[paragraph.start] not in "—–―":
        return []
    marks = [match.start() for match in _DASH.finditer(text, paragraph.start, paragraph.end)]
    pieces: list[tuple[int, int]] = []
    for number, at in enumerate(marks):
        stop = marks[number + 1] if number + 1 < len(marks) else paragraph.end
        pieces.append((at, stop))
    if len(pieces) == 1:
        return _comma(text, pieces[0], table)
    spoken: list[Quotation] = []
    told = False
    for number, (at, stop) in enumerate(pieces):
        if number % 2 and _opens_with_cue(text, at + 1, stop, table):
            told = True
            continue
        if number % 2:
            return []
        spoken.append(_speech(text, at, stop))
    return spoken if told else []


def broken(text: str, quotes: list[Quotation], table: Tongue) -> list[Quotation]:
    """Quotations with the cue set between the marks, "Q, — said NAME. — Q", cut out around it."""
    if table.shape != "capital":
        return quotes
    found: list[Quotation] = []
    for quote in quotes:
        start = quote.start
        breaks = [*_DASHED.finditer(text, start, quote.end)][:MOST_BREAKS]
        breaks = breaks or [*_COMMAED.finditer(text, start, quote.end)][:MOST_BREAKS]
        for match in breaks:
            if not _tells(text, match, table):
                continue
            found.append(Quotation(start, match.start(), quote.mark, True))
            start = match.end()
        if start < quote.end:
            found.append(quote._replace(start=start))
    return found


def _tells(text: str, match: re.Match[str], table: Tongue) -> bool:
    """Does what stands between say who speaks: a cue, and behind it a name or a pronoun?"""
    words = cut(text, match.start("cue"), match.end("cue"), [], table)
    if len(words) > 12 or not words:
        return False
    first = words[0].low
    attached = re.fullmatch(r"(.+?)(?:-t)?-(?:ils?|elles?)", first)
    if attached is not None:
        second = words[1].low if len(words) > 1 else ""
        return attached[1] in table.cues or second in table.participles
    helped = first in table.auxiliaries and len(words) > 1 and words[1].low in table.participles
    behind = words[1 + helped :]
    named = any(word.text[:1].isupper() or word.low in table.pronouns for word in behind)
    office = any(word.low in table.roles for word in behind) or (
        bool(behind) and behind[0].low in table.articles
    )
    return (first in table.cues or helped) and (named or office)


def _opens_with_cue(text: str, start: int, end: int, table: Tongue) -> bool:
    words = cut(text, start, min(end, start + 80), [], table)[:4]
    return any(word.low in table.cues or word.low in table.participles for word in words)


def _comma(text: str, piece: tuple[int, int], table: Tongue) -> list[Quotation]:
    """ "— Words, a déclaré NAME.": the last comma before a cue ends the speech."""
    start, end = piece
    for match in reversed(list(re.finditer(r"[,!?…] ", text[start:end]))[-12:]):
        at = start + match.start() + 1
        words = cut(text, at, min(end, at + 60), [], table)[:2]
        if not words:
            continue
        cue = words[0].low in table.cues or (
            words[0].low in table.auxiliaries
            and len(words) > 1
            and words[1].low in table.participles
        )
        if cue or re.match(r"\w+(?:-t)?-(?:ils?|elles?)$", words[0].low):
            return [_speech(text, start, at)]
    return []


def _speech(text: str, dash: int, stop: int) -> Quotation:
    """The words behind a dash; their last space is the mark that closes them."""
    start = dash + 1
    while start < stop and (text[start].isspace() or text[start] in ".,;:"):
        start += 1
    end = stop
    while end > start and text[end - 1].isspace():
        end -= 1
    return Quotation(start, end, "—", False)
