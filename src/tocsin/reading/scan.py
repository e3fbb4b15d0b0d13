"""Text of a language with a table, cut into tokens and sentences.

Spaces part words in most; where they do not, the words of the table do. Spec: claims.md §3.
"""

from __future__ import annotations

import re
from functools import cache

from tocsin.reading.layout import LONGEST, PUNCT, QUOTE, WORD, Quotation, Token
from tocsin.reading.tongues import Tongue, tongue

ASIDE = "t"  # a token that tells a time or an occasion, and belongs to no name

_MARKS = "\u0610-\u061a\u064b-\u065f\u0670\u0640"  # Arabic vowel signs and the stretching stroke
_TOKEN = re.compile(rf"\d+(?:[.,:]\d+)*\w*|[\w{_MARKS}]+(?:[-'’][\w{_MARKS}]+)*['’]?|[^\w\s]")
_VOWEL_SIGNS = re.compile(f"[{_MARKS}]")
_ALIFS = str.maketrans("أإآٱ", "اااا")
_ELISION = re.compile(r"((?:[ldnsjcmt]|qu|lorsqu|puisqu|jusqu)['’])(?=.)", re.IGNORECASE)
_FINAL = ".!?…。！？؟"
_SHORT = frozenset(
    ["m", "mm", "mme", "dr", "sr", "sra", "srta", "st", "ste", "г", "д", "ул", "проф", "им", "т"]
)


def fold(word: str) -> str:
    """A word as the tables hold it: small letters, no vowel signs, every alif bare."""
    if word.isascii():
        return word.lower()
    return _VOWEL_SIGNS.sub("", word).translate(_ALIFS).lower()


def cut(text: str, start: int, end: int, quotes: list[Quotation], table: Tongue) -> list[Token]:
    """The words and marks from start to end, each quotation one token."""
    found: list[Token] = []
    at = start
    for quote in quotes:
        if quote.end <= at or quote.start > end:
            continue
        _plain(text, at, quote.start - 1, table, found)
        stop = min(quote.end + quote.closed, end)
        found.append(Token(text[quote.start : quote.end], "", quote.start - 1, stop, QUOTE))
        at = stop
    _plain(text, at, end, table, found)
    return found


def names_aside(found: list[Token], table: Tongue) -> list[Token]:
    """The quoted name of a body, "laboratory «NAME»", as an aside: a part of who speaks."""
    if not table.named_by:
        return found
    for at in range(1, len(found)):
        token, before = found[at], found[at - 1]
        if token.kind != QUOTE or before.kind != WORD or not before.low.startswith(table.named_by):
            continue
        inside = token.text
        if inside[:1].isupper() and len(inside) <= 50 and inside[-1:].isalnum():
            found[at] = token._replace(kind=ASIDE)
    return found


def _plain(text: str, start: int, end: int, table: Tongue, found: list[Token]) -> None:
    if table.shape == "run":
        _runs(text, start, end, table, found)
        return
    for match in _TOKEN.finditer(text, start, end):
        word, begin = match.group(), match.start()
        if not (word[0].isalnum() or word[0] == "_"):
            found.append(Token(word, word, begin, match.end(), PUNCT))
            continue
        if table.elisions:
            elided = _ELISION.match(word)
            while elided is not None:
                stop = elided.end()
                found.append(Token(word[:stop], fold(word[:stop]), begin, begin + stop, WORD))
                word, begin = word[stop:], begin + stop
                elided = _ELISION.match(word)
        if word[-1] in "'’":
            stop = begin + len(word)
            found.append(Token(word[:-1], fold(word[:-1]), begin, stop - 1, WORD))
            found.append(Token(word[-1], word[-1], stop - 1, stop, PUNCT))
        else:
            found.append(Token(word, fold(word), begin, begin + len(word), WORD))


@cache
def _pattern(code: str) -> re.Pattern[str]:
    """One pattern that finds every word of a table in a run of letters, the longest first."""
    table = tongue(code)

    def any_of(listed: list[str]) -> str:
        return "|".join(re.escape(word) for word in sorted(listed, key=len, reverse=True))

    long = any_of([cue for cue in table.cues if len(cue) > 1])
    short = any_of([cue for cue in table.cues if len(cue) == 1])
    adverbs = any_of(sorted(table.adverbs))
    lead = rf"(?:{adverbs})+(?=(?:{long}|{short}|[在对向于]))"
    return re.compile(
        rf"(?P<skip>{any_of(list(table.no_cue))})"
        rf"|(?P<aside>{table.aside}|{lead})"
        rf"|(?P<cue>(?:{long})|(?:{short})(?=[，：,:“「『。；、]|$)|称(?=[^，。：]{{2}}))"
        rf"|(?P<role>{any_of(sorted(table.roles))})"
        rf"|(?P<no>{any_of(sorted(table.negations))})(?=(?:{long}))"
        r"|(?P<other>[A-Za-z0-9][\w.%·-]*)"
        r"|(?P<mark>[^\w\s])"
        r"|(?P<run>\w)"
    )


def _runs(text: str, start: int, end: int, table: Tongue, found: list[Token]) -> None:
    run = -1
    stop = start
    for match in _pattern(table.code).finditer(text, start, end):
        kind = match.lastgroup
        if kind in ("run", "skip", "other") or (kind == "mark" and match.group() == "·"):
            if run >= 0 and stop != match.start():
                found.append(Token(text[run:stop], text[run:stop], run, stop, WORD))
                run = -1
            run = match.start() if run < 0 else run
            stop = match.end()
            continue
        if run >= 0:
            found.append(Token(text[run:stop], text[run:stop], run, stop, WORD))
            run = -1
        word = match.group()
        sort = {"mark": PUNCT, "aside": ASIDE}.get(kind or "", WORD)
        found.append(Token(word, word, match.start(), match.end(), sort))
    if run >= 0:
        found.append(Token(text[run:stop], text[run:stop], run, stop, WORD))


def parts(found: list[Token], table: Tongue) -> list[list[Token]]:
    """Tokens cut into sentences; who said a quotation that ends one may still follow it."""
    result: list[list[Token]] = []
    current: list[Token] = []
    for number, token in enumerate(found):
        current.append(token)
        after = found[number + 1] if number + 1 < len(found) else None
        if after is None:
            break
        ends = len(current) >= LONGEST
        if token.kind == PUNCT and token.text in _FINAL:
            ends = ends or _ends(found, number, after, table)
        elif token.kind == QUOTE and token.text.rstrip().endswith(tuple(_FINAL)):
            ends = ends or (_opens(after, table) and not _told_after(found, number + 1, table))
        if ends:
            result.append(current)
            current = []
    if current:
        result.append(current)
    return result


def _opens(token: Token, table: Tongue) -> bool:
    if token.kind == PUNCT:
        return False
    return token.kind == QUOTE or table.shape != "capital" or not token.text[:1].islower()


def _ends(found: list[Token], number: int, after: Token, table: Tongue) -> bool:
    token = found[number]
    if token.text in "。！？؟":
        return True
    if after.kind == PUNCT and after.text not in "—–":
        return False
    if after.kind == WORD and (after.start == token.end or not _opens(after, table)):
        return False
    before = found[number - 1] if number else None
    touching = before is not None and before.end == token.start and token.text == "."
    if not touching or before is None:
        return True
    return before.low not in _SHORT and not (len(before.text) == 1 and before.text.isupper())


def _told_after(found: list[Token], at: int, table: Tongue) -> bool:
    """ "Q NAME says." where the marks hold the full stop: the cue ends a short clause."""
    for place in range(at, min(len(found), at + 8)):
        token = found[place]
        if token.kind in (PUNCT, QUOTE):
            return False
        if token.low in table.cues:
            after = found[place + 1] if place + 1 < len(found) else None
            return after is None or (after.kind == PUNCT and after.text in _FINAL)
    return False
