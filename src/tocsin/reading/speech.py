"""Speech without quotation marks: the dash of a dialogue. Spec: claims.md §3.3."""

from __future__ import annotations

import re

from tocsin.reading.layout import Paragraph, Quotation
from tocsin.reading.scan import cut
from tocsin.reading.tongues import Tongue

_DASH = re.compile(r"[—–―]")


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
