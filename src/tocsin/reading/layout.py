"""How a text is laid out: paragraphs, quotations, tokens, sentences, and an outlet's own lists.

Every place is a half-open pair of code point offsets into the text given. Every scan goes over
the text a fixed number of times, whatever is in it: a report is hostile input.
Spec: claims.md §3.2, §3.3.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from tocsin.reading import cues
from tocsin.reading.cues import ABBREVIATIONS, BOILERPLATE, OPENERS

LONGEST = 600  # tokens; a longer sentence is cut, so that no text can make its reading quadratic

WORD, PUNCT, QUOTE = "w", "p", "q"

_TOKEN = re.compile(
    r"\*{1,3}|\[(?=[^\[\]\n]{1,200}\]\()|\]\([^()\s]{1,300}\)"  # Markdown's, dropped
    r"|(?:[^\W\d_]\.){2,}"  # U.N.
    r"|(?:Mr|Mrs|Ms|Dr|Prof|Sen|Rep|Gov|Gen|Lt|Col|Capt|Sgt|Adm)\.(?=\s)"
    r"|(?<!\w)@\w{2,30}"  # an account's own name
    r"|\d+(?:[.,:]\d+)*\w*"
    r"|\w+(?:(?:[-'’/&]|\.(?=[a-z0-9]))\w+)*['’]?"
    r"|[^\w\s]"
)
_MARK = re.compile(r"[“”„\"«»「」『』‘’']")
_CLOSER = {"“": "”", "„": "“”", "«": "»", "»": "«", "「": "」", "『": "』"}
_DATELINE = re.compile(
    r"[A-ZÀ-ÞА-ЯЁ]{3}[\w .,'’-]{0,60}(?:\([^()\n]{1,40}\)[ ]?)?(?:[—–]|--|\.-|(?<= )-)[ ]"
)
_FINAL = ".!?…。！？"
_BULLET = re.compile(r"[-•*·–—▪◦>]+(?=\s|$)")


# Read as times, not as names. "May" and "Sun" may well be somebody's.
TIMES = frozenset([*cues.MONTHS, *cues.WEEKDAYS]) - {"may", "sun", "sat", "mar"}
_NO_NAMES = TIMES | cues.FIRST | cues.PRONOUNS


class Token(NamedTuple):
    """A word, a punctuation mark or a whole quotation (its marks included).

    name: may it be part of a name, by its shape? stirs: may a cue be at this word?
    """

    text: str
    low: str
    start: int
    end: int
    kind: str
    name: bool = False
    stirs: bool = False


@lru_cache(maxsize=1 << 15)
def _shape(word: str) -> tuple[str, bool, bool]:
    """A word in small letters, and whether it may be part of a name or bring a cue."""
    low = word.lower()
    name = (
        word[0].isupper() or word[0].isdigit() or (word[0] == "@" and len(word) > 1)
    ) and low not in _NO_NAMES
    stirs = low in cues.CUES or low in cues.SPEECH_NOUNS or low == "according"
    return low, name, stirs or low.endswith("ed")


def reworded(token: Token, text: str) -> Token:
    """The token with another text that begins where it does: "Northland's" as "Northland"."""
    low, name, stirs = _shape(text)
    return Token(text, low, token.start, token.start + len(text), token.kind, name, stirs)


class Quotation(NamedTuple):
    """What stands between quotation marks; the marks are at start - 1 and end."""

    start: int
    end: int
    mark: str
    closed: bool


class Paragraph(NamedTuple):
    """A run of text that is one thought: a line, or hard-wrapped lines taken together."""

    start: int
    end: int
    heading: bool


class Line(NamedTuple):
    start: int
    end: int
    text: str


def lines(text: str) -> list[Line]:
    """Every line without its end, spaces at both ends left out."""
    found: list[Line] = []
    at = 0
    for raw in text.splitlines(keepends=True):
        stripped = raw.strip()
        start = at + (len(raw) - len(raw.lstrip())) if stripped else at
        found.append(Line(start, start + len(stripped), stripped))
        at += len(raw)
    return found


def _ends_sentence(line: str) -> bool:
    bare = line.rstrip("\"'”’»」』)] ")
    return bare.endswith((*_FINAL, ":"))


def _sentence_count(line: str) -> int:
    """How many sentences end in this line, at most 2 counted."""
    count = 0
    for match in re.finditer(r"[.!?…。！？]", line):
        at = match.end()
        rest = line[at : at + 3].lstrip("\"'”’»」)] ")
        before = line[max(0, match.start() - 8) : match.start()].rsplit(" ", 1)[-1].lower()
        if before in ABBREVIATIONS or (len(before) == 1 and match.group() == "."):
            continue
        opens = rest[:1].isalpha() and not rest[:1].islower()
        if (
            not line[at:].strip("\"'”’»」)] ")
            or match.group() in "。！？"
            or (opens and line[at : at + 1] in " \"'”’»」)")
        ):
            count += 1
            if count == 2:
                return 2
    return count


def boilerplate(text: str, lang: str = "en") -> list[tuple[int, int, str]]:
    """Where an outlet lists other things of its own: (start, end, heading), in order.

    From a heading of the language's table over at least three bullets or lines without a full
    stop, to the end of the text or to a line that is prose again: two sentences, or one of more
    than a hundred characters. Spec: claims.md §3.2.
    """
    table = BOILERPLATE.get(lang, frozenset()) | BOILERPLATE["en"]
    rows = [line for line in lines(text) if line.text]
    found: list[tuple[int, int, str]] = []
    at = 0
    while at < len(rows):
        words = _BULLET.sub("", rows[at].text, count=1) if len(rows[at].text) < 80 else ""
        heading = words.strip(" #:*_.…»›|").casefold()
        if heading not in table:
            at += 1
            continue
        stop, items = at + 1, 0
        while stop < len(rows):
            line = rows[stop].text
            ends = _ends_sentence(line)
            if ends and (len(line) > 100 or _sentence_count(line) > 1):
                break
            if _BULLET.match(line) or not ends:
                items += 1
            stop += 1
        if items >= 3:
            end = len(text) if stop == len(rows) else rows[stop - 1].end
            found.append((rows[at].start, end, rows[at].text))
        # Where it is no list, a later heading before `stop` has fewer items yet.
        at = stop
    return found


def paragraphs(text: str, skip: list[tuple[int, int]]) -> list[Paragraph]:
    """The text's paragraphs, those inside `skip` left out."""
    found: list[Paragraph] = []
    block: list[Line] = []
    spans = sorted(skip)
    skipped = 0

    def close() -> None:
        if not block:
            return
        longest = max(len(line.text) for line in block)
        wrapped = (
            len(block) > 1
            and 40 <= longest <= 120
            and all(len(line.text) >= 0.6 * longest for line in block[:-1])
            and any(
                not _ends_sentence(line.text) and after.text[0].islower()
                for line, after in pairwise(block)
            )
        )
        groups = [block[:]] if wrapped else [[line] for line in block]
        for group in groups:
            start, end = group[0].start, group[-1].end
            body = text[start:end]
            heading = (
                len(group) == 1
                and len(body) <= 160
                and (not _ends_sentence(body) or body.startswith("#"))
            )
            found.append(Paragraph(start, end, heading))
        block.clear()

    for line in lines(text):
        while skipped < len(spans) and spans[skipped][1] <= line.start:
            skipped += 1
        inside = skipped < len(spans) and spans[skipped][0] <= line.start
        if not line.text.strip(">") or inside:  # ">" alone parts what a block quotation holds
            close()
        else:
            block.append(line)
    close()
    return found


def after_dateline(text: str, paragraph: Paragraph) -> int:
    """Where a paragraph's words begin: behind "RIVERTON (Coastwire) — "."""
    match = _DATELINE.match(text, paragraph.start, paragraph.end)
    return match.end() if match else paragraph.start


def _edge(text: str, at: int, start: int, end: int) -> tuple[bool, bool]:
    """Whether the mark at `at` may open, and whether it may close, by the characters around."""
    before = text[at - 1] if at > start else " "
    after = text[at + 1] if at + 1 < end else " "
    opens = (before.isspace() or before in "([{—–-/“\"‘'«:…") and not after.isspace()
    closes = not before.isspace() and not after.isalnum()
    if "\u2e80" <= before <= "\uffef":  # no spaces between words: either may be meant
        opens = not after.isspace()
    if "\u2e80" <= after <= "\uffef":
        closes = not before.isspace()
    return opens, closes


def quotations(text: str, start: int, end: int) -> list[Quotation]:
    """The outermost quotations of one paragraph; one left open ends with the paragraph."""
    marks = [(match.start(), match.group()) for match in _MARK.finditer(text, start, end)]
    found = _scan(text, start, end, marks, nested=True)
    if found and not found[-1].closed:
        found = _scan(text, start, end, marks, nested=False)
    return found


def _scan(
    text: str, start: int, end: int, marks: list[tuple[int, str]], *, nested: bool
) -> list[Quotation]:
    found: list[Quotation] = []
    opened, mark, depth = -1, "", 0
    closer_ahead = _single_closers(text, start, end, marks)
    for number, (at, char) in enumerate(marks):
        opens, closes = _edge(text, at, start, end)
        if opened < 0:
            if (
                char in "“„「『«"
                or (char in '"»' and opens)
                or (
                    char in "‘'"
                    and opens
                    and text[at + 1 : at + 2].isalpha()
                    and closer_ahead[number] >= 0
                )
            ):
                opened, mark, depth = at, char, 1
            continue
        if mark == '"':
            if char != '"':
                continue
            if opens and not closes:
                depth += nested
            else:
                depth -= 1
        elif mark in "‘'":
            if char not in "’'" or not closes or _possessive(text, at, end, closer_ahead[number]):
                continue
            depth = 0
        elif char in _CLOSER[mark]:
            depth -= 1
        elif char == mark and nested:
            depth += 1
        if depth <= 0:
            found.append(Quotation(opened + 1, at, mark, True))
            opened = -1
    if opened >= 0 and mark not in "'‘":
        found.append(Quotation(opened + 1, end, mark, False))
    return found


def _single_closers(text: str, start: int, end: int, marks: list[tuple[int, str]]) -> list[int]:
    """For each mark: where the next single mark is that may close, or -1 if one opens before."""
    ahead = [-1] * len(marks)
    seen = -1
    for number in range(len(marks) - 1, -1, -1):
        ahead[number] = seen
        at, char = marks[number]
        if char in "‘’'":
            opens, closes = _edge(text, at, start, end)
            if char != "‘" and closes:
                seen = at
            elif char != "’" and opens:
                seen = -1
    return ahead


def _possessive(text: str, at: int, end: int, closer: int) -> bool:
    """`states' rights`: an s before, a word after, and another closing mark still to come."""
    return (
        closer >= 0
        and text.find(". ", at, closer) < 0
        and text.find(".\n", at, closer) < 0
        and text[at - 1 : at] == "s"
        and text[at + 1 : at + 2] == " "
        and at + 2 < end
        and text[at + 2].islower()
    )


def tokens(text: str, start: int, end: int, quotes: list[Quotation]) -> list[Token]:
    """The words and marks from start to end, each quotation one token."""
    found: list[Token] = []
    at = start
    for quote in quotes:
        if quote.end <= at or quote.start > end:
            continue
        _plain(text, at, quote.start - 1, found)
        stop = min(quote.end + quote.closed, end)
        found.append(Token(text[quote.start : quote.end], "", quote.start - 1, stop, QUOTE))
        at = stop
    _plain(text, at, end, found)
    return found


def _plain(text: str, start: int, end: int, found: list[Token]) -> None:
    keep, new = found.append, tuple.__new__  # a third of the time that Token(...) takes
    for match in _TOKEN.finditer(text, start, end):
        word, begin = match.group(), match.start()
        first = word[0]
        if not (first.isalnum() or first == "_"):
            if first == "*" or (first in "[]" and (len(word) > 1 or _links(text, begin))):
                continue
            keep(new(Token, (word, word, begin, begin + 1, PUNCT, False, False)))
        elif word[-1] in "'’" and word[-2:-1] != "s":
            stop = match.end() - 1
            low, name, stirs = _shape(word[:-1])
            keep(new(Token, (word[:-1], low, begin, stop, WORD, name, stirs)))
            keep(new(Token, (word[-1], word[-1], stop, stop + 1, PUNCT, False, False)))
        else:
            low, name, stirs = _shape(word)
            keep(new(Token, (word, low, begin, match.end(), WORD, name, stirs)))


def _links(text: str, at: int) -> bool:
    """Does the bracket at `at` open a Markdown link?"""
    close = text.find("]", at, at + 202)
    return close > 0 and text.startswith("](", close)


def sentences(found: list[Token]) -> list[list[Token]]:
    """Cut tokens into sentences. A quotation that ends one may be followed by who said it."""
    result: list[list[Token]] = []
    current: list[Token] = []
    for number, token in enumerate(found):
        current.append(token)
        after = found[number + 1] if number + 1 < len(found) else None
        if after is None:
            break
        if len(current) >= LONGEST:
            result.append(current)
            current = []
            continue
        if token.kind == PUNCT and token.text in _FINAL:
            if _breaks(found, number, after):
                result.append(current)
                current = []
        elif token.kind == WORD and token.text.endswith("."):  # "in the U.N. The agency said"
            if after.low in OPENERS and after.text[:1].isupper():
                result.append(current)
                current = []
        elif token.kind == QUOTE:
            inner = token.text.rstrip()
            if (
                inner.endswith((".", "…", "。")) and _starts(after) and after.start > token.end
            ) or (inner.endswith(("!", "?", "！", "？")) and after.kind == QUOTE):
                result.append(current)
                current = []
    if current:
        result.append(current)
    return result


def _starts(token: Token) -> bool:
    return token.kind == QUOTE or token.text[:1].isupper() or token.text[:1].isdigit()


def _breaks(found: list[Token], number: int, after: Token) -> bool:
    token = found[number]
    if after.start == token.end and token.text not in "。！？":
        return False
    if not _starts(after) and after.text not in "([—–-`":  # "`": a name in code
        return False
    if token.text == "." and number:
        before = found[number - 1]
        touching = before.end == token.start
        if touching and before.low in ABBREVIATIONS:
            return False
        if touching and len(before.text) == 1 and before.text.isupper():
            return after.low in OPENERS and after.text[:1].isupper() and before.low != "i"
    return True
