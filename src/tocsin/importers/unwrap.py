"""The lines of a PDF's pages put together again: paragraphs, words cut at line ends, running heads.

A PDF has lines and no paragraphs; a quotation that is cut at each line's end is nobody's words.
What a page prints again and again at its edge is left out, and told.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from tocsin.reading.layout import Paragraph, after_dateline

# Fonts print these for letters: ligatures, soft hyphens, radicals in the place of ideographs.
_PRINT = {
    "ﬀ": "ff",
    "ﬁ": "fi",
    "ﬂ": "fl",
    "ﬃ": "ffi",
    "ﬄ": "ffl",
    "ﬅ": "st",
    "ﬆ": "st",
    "\u00ad": "",
}
_RADICALS = dict(
    zip(
        "⺟⺠⻄⻅⻆⻉⻋⻓⻔⻘⻚⻛⻜⻝⻢⻤⻥⻦⻩⻬⻮⻰",
        "母民西见角贝车长门青页风飞食马鬼鱼鸟黄齐齿龙",
        strict=True,
    )
)
_KANGXI = {chr(n): unicodedata.normalize("NFKC", chr(n)) for n in range(0x2F00, 0x2FD6)}
_LETTERS = str.maketrans(_PRINT | _RADICALS | _KANGXI)
_WIDE = "\u3000-\u303f\u3400-\u9fff\uff00-\uffef"
_SET_APART = re.compile(
    rf"(?<=[{_WIDE}])[ ]+(?=[\w{_WIDE}“”‘’])|(?<=[\w“”‘’])[ ]+(?=[{_WIDE}])"
    rf"|(?<=[{_WIDE}])[ ]+(?=[“”‘’])|(?<=[“‘])[ ]+(?=[{_WIDE}])"
)
_SHAPES = re.compile("[\ufb50-\ufdff\ufe70-\ufefc]")
_FINAL = re.compile(r"[.!?…。！？]['\"”’»」』)\]]*\d{0,2}$")
_ITEM = re.compile(r"(?:[-•*·–—▪◦>○●]|\(?\d{1,3}[.)]|[a-z][.)])\s")
_LABEL = re.compile(r"[^\W\d_][\w .’'-]{0,40}:\s")
_VALUE = re.compile(r"(?=.*(?:\d|\[\.\]|/|\\)|.{25})[!-~]+")
_CUT = re.compile(r"([^\W\d_]+)[-\u2010]$")
_WORD = re.compile(r"[^\W\d_]+")
_END = 40
"""Characters at the end of a line by which it is told how it ends."""
_EDGE = 2
"""Lines at the top and at the foot of a page that may be a running head."""
_OFTEN = 3
"""Pages on which a running head stands at least."""


def cleaned(text: str) -> str:
    """Text without what is print and no letters, and without the blanks set around ideographs."""
    return _SET_APART.sub("", text.translate(_LETTERS))


def in_print_order(text: str) -> bool:
    """Whether Arabic stands in it as shapes: such files have the order of print, not of speech."""
    return len(_SHAPES.findall(text)) > 10


def unwrapped(pages: Sequence[str]) -> tuple[str, list[str]]:
    """The text of some pages, its paragraphs apart, and the running heads that were left out."""
    rows = [[line.strip() for line in cleaned(page).split("\n")] for page in pages]
    rows = [[line for line in page if line] for page in rows]
    heads = _running(rows)
    known = Counter(word.lower() for page in rows for line in page for word in _WORD.findall(line))
    found: list[list[str]] = []  # the pieces of each paragraph: joined once, at the end
    for whole in rows:
        page = _without(whole, heads)
        if not page:
            continue
        width = sorted(map(len, page))[int(0.9 * (len(page) - 1))]
        for at, line in enumerate(page):
            if not found:
                goes_on = False
            elif at == 0:  # a sentence may go on overleaf; anything else begins anew
                goes_on = not _ended(found[-1][-1]) and line[0].islower()
            else:
                goes_on = _goes_on(page, at, width)
            if goes_on:
                _add(found[-1], line, known)
            else:
                found.append([line])
    text = "\n\n".join("".join(pieces) for pieces in found)
    return text + "\n" if text else "", sorted(heads)


def _ended(line: str) -> bool:
    """Whether a sentence ends with a line."""
    return _FINAL.search(line[-_END:]) is not None


def _goes_on(page: Sequence[str], at: int, width: int) -> bool:
    """Whether a line goes on with the paragraph of the line before."""
    before, line = page[at - 1], page[at]
    if _VALUE.fullmatch(before) or _VALUE.fullmatch(line):
        return False
    ended = _ended(before)
    # A dash may go on with a quotation: "...", — said NAME.
    listed = ended or before.endswith(":") or bool(_ITEM.match(before))
    if _ITEM.match(line) and (listed or line[0] not in "-–—"):
        return False
    if ended and (len(before) < 0.8 * width or _LABEL.match(line)):
        return False
    if after_dateline(line, Paragraph(0, len(line), heading=False)):
        return False
    if (
        len(before) < 0.5 * width
        and not before.endswith((",", "-", "\u2010"))
        and line[0].isupper()
    ):
        return False  # the last line of a title
    return not (_heading(page, at - 1, width) or _heading(page, at, width))


def _heading(page: Sequence[str], at: int, width: int) -> bool:
    """Whether a line stands for itself: short, no sentence, and another begins after it."""
    line = page[at]
    # Above everything a line that is not full is a title.
    if (
        len(line) >= (0.7 if at else 0.85) * width
        or _FINAL.search(line)
        or line.endswith((",", "-", "\u2010"))
    ):
        return False
    after = page[at + 1] if at + 1 < len(page) else ""
    return not line[:1].islower() and not after[:1].islower() and not _opened(line)


def _opened(line: str) -> bool:
    """Whether a quotation or a bracket that begins in a line does not end in it."""
    pairs = (("“", "”"), ("«", "»"), ("(", ")"), ("「", "」"))
    return any(line.count(opens) != line.count(closes) for opens, closes in pairs)


def _add(pieces: list[str], line: str, known: Counter[str]) -> None:
    """Put a line to its paragraph."""
    last = pieces[-1]
    cut, first = _CUT.search(last[-_END:]), _WORD.match(line)
    if cut and first and line[0].islower():
        # "state-sponsored" keeps its hyphen where both are words of this text; "intru-sion" not.
        if not (known[first[0].lower()] > 1 and known[cut[1].lower()] > 1):
            pieces[-1] = last[:-1]
    elif not (last[-1] >= "\u2e80" and line[0] >= "\u2e80"):  # ideographs have no blanks
        pieces.append(" ")
    pieces.append(line)


def _running(rows: Sequence[Sequence[str]]) -> set[str]:
    """What stands at the edge of many pages, its numbers apart."""
    if len(rows) < _OFTEN:
        return set()
    counts = Counter(
        form for page in rows for form in {_form(line) for line in (*page[:_EDGE], *page[-_EDGE:])}
    )
    return {form for form, count in counts.items() if count >= max(_OFTEN, len(rows) // 3)}


def _form(line: str) -> str:
    return re.sub(r"\d+", "#", line)


def _without(page: list[str], heads: set[str]) -> list[str]:
    """A page without running heads and page numbers at its edges."""

    def out(line: str) -> bool:
        return _form(line) in heads or bool(re.fullmatch(r"[-–—\s]*\d{1,4}[-–—\s]*", line))

    first, last = 0, len(page)
    while first < min(_EDGE, last) and out(page[first]):
        first += 1
    while last > max(first, len(page) - _EDGE) and out(page[last - 1]):
        last -= 1
    return page[first:last]
