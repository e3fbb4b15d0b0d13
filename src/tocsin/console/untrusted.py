"""How text that somebody else wrote is shown: on a page, in a CSV cell, on a terminal.

Pure. `pieces` cuts a text into runs that the template macro `t()` wraps in elements; nothing here
makes markup. What a reader could be fooled by (invisible and direction-changing characters,
words of mixed scripts, letters that only look like others) is named, never dropped in silence.

Spec: console.md, "Untrusted text".
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from typing import Literal

from msgspec import Struct

FOLD_AT = 300
"""Code points after which a text is shown short, with a way to see all."""

MARKS_PER_BASE = 8
"""Combining marks shown on one base character."""

Kind = Literal["text", "chip", "defanged", "mixed", "compat", "capped"]


class Piece(Struct, frozen=True):
    """One run of a shown text.

    `text` is what is shown. `real` is what it stands for: for a defanged address, what copying
    gives; for a chip and in the source view, the characters themselves. `note` is said beside it.
    """

    kind: Kind
    text: str
    real: str = ""
    note: str = ""


class Shown(Struct, frozen=True):
    """A text ready for a page: `head` is always visible, `rest` only when unfolded."""

    head: tuple[Piece, ...]
    rest: tuple[Piece, ...] = ()
    size: int = 0
    """Length of the whole text in code points."""


# --- which characters need a label ------------------------------------------------------------

_BREAKS = frozenset("\t\n\r\u2028\u2029")
_VISIBLE_FORMAT = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u08e2")
"""Arabic and Syriac signs of category Cf that have a glyph of their own."""
_BLANKS = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0\ufffe\uffff"
)
_JOINERS = frozenset("\u200c\u200d")
_JOINING_SCRIPTS = frozenset(
    {
        "Arabic", "Syriac", "Mongolian", "Nko", "Mandaic", "Devanagari", "Bengali", "Gurmukhi",
        "Gujarati", "Oriya", "Tamil", "Telugu", "Kannada", "Malayalam", "Sinhala", "Khmer",
        "Myanmar", "Tibetan", "Balinese", "Javanese",
    }
)  # fmt: skip


def _is_emoji(char: str) -> bool:
    code = ord(char)
    return (
        unicodedata.category(char) == "So"
        or 0x1F000 <= code <= 0x1FAFF
        or code == 0xFE0F
        or 0x1F3FB <= code <= 0x1F3FF
    )


def _joins(text: str, at: int) -> bool:
    """Whether the joiner at `at` stands where a script or an emoji needs it."""
    if at == 0 or at + 1 >= len(text):
        return False
    before, after = text[at - 1], text[at + 1]
    if text[at] == "\u200d" and _is_emoji(before) and _is_emoji(after):
        return True
    back = at - 1
    while back > 0 and unicodedata.category(text[back]).startswith("M"):
        back -= 1
    return script(text[back]) in _JOINING_SCRIPTS and script(after) in _JOINING_SCRIPTS


def _labelled(text: str, at: int) -> bool:
    """Whether the character at `at` is shown by its code point instead of itself."""
    char = text[at]
    if char in _JOINERS:
        return not _joins(text, at)
    if char in _BREAKS or char in _VISIBLE_FORMAT:
        return False
    return char in _BLANKS or unicodedata.category(char) in ("Cc", "Cf", "Cs")


_PLAIN = re.compile(r"[ -~\u00a1-\u00ac\u00ae-\u02ff\u2010-\u2027\u2030-\u205e\u20a0-\u20bf]*")
"""Characters that never need a label: the fast way out for almost every text."""

# --- scripts ----------------------------------------------------------------------------------

_NO_SCRIPT = frozenset(
    {"MODIFIER", "MICRO", "FEMININE", "MASCULINE", "SUPERSCRIPT", "SUBSCRIPT", "IDEOGRAPHIC"}
)
_EAST_ASIAN = (
    frozenset({"Latin", "Han", "Hiragana", "Katakana"}),
    frozenset({"Latin", "Han", "Bopomofo"}),
    frozenset({"Latin", "Han", "Hangul"}),
)
"""Mixes that are ordinary writing (UTS 39, highly restrictive)."""


@lru_cache(maxsize=4096)
def script(char: str) -> str:
    """The script of a letter, such as "Cyrillic"; "" for what belongs to no script.

    From the character's Unicode name: the standard library has no script property.
    """
    if not unicodedata.category(char).startswith("L"):
        return ""
    plain = unicodedata.normalize("NFKC", char)[:1]
    first = unicodedata.name(plain or char, "").split(" ")[0]
    if unicodedata.name(char, "").split(" ")[0] in _NO_SCRIPT or first in _NO_SCRIPT:
        return ""
    return "Han" if first.startswith("CJK") else first.capitalize()


def _scripts(word: str) -> tuple[str, ...]:
    """The scripts of a word if they do not belong together, sorted; else ()."""
    found = {script(char) for char in word} - {""}
    if len(found) < 2 or any(found <= mix for mix in _EAST_ASIAN):
        return ()
    return tuple(sorted(found))


@lru_cache(maxsize=4096)
def _is_compat(char: str) -> bool:
    form = unicodedata.decomposition(char)
    if not form.startswith("<") or not unicodedata.normalize("NFKC", char).isalpha():
        return False
    tag = form[1 : form.index(">")]
    if unicodedata.category(char).startswith("L"):
        return tag not in ("super", "sub", "noBreak")
    return tag in ("circle", "square", "font", "wide", "narrow")


# --- addresses --------------------------------------------------------------------------------

_RESERVED = frozenset(
    {"example", "test", "invalid", "localhost", "onion", "local", "internal", "arpa", "home", "lan"}
)
_FILE_ENDS = frozenset(
    {"md", "zip", "py", "sh", "rs", "pl", "ps", "so", "cc", "mov", "app", "java"}
)
"""Top-level domains that end file names far more often than host names."""
_LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_HOST = rf"{_LABEL}(?:\.{_LABEL})+"
_ADDRESS = re.compile(
    r"(?P<url>[A-Za-z][A-Za-z0-9+-]{1,20}://[^\s\x00-\x20\x7f-\xa0<>\"'`{}|\\^]+)"
    rf"|(?P<mail>[\w.+-]{{1,64}}@{_HOST})"
    rf"|(?P<host>(?<![\w.-]){_HOST})"
)
_URL = re.compile(
    r"(?P<scheme>[^:]+)://(?P<user>[^/?#@]*@)?(?P<host>\[[^\]/]*\]|[^/?#:\[]*)(?P<rest>.*)", re.S
)
_V4 = re.compile(r"(?:\d{1,3}\.){3}\d{1,3}")
_SCHEMES = {
    "http": "hxxp",
    "https": "hxxps",
    "ftp": "fxp",
    "ftps": "fxps",
    "ws": "wxs",
    "wss": "wxss",
}


@cache
def _suffixes() -> object:
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList(accept_unknown=False)


@lru_cache(maxsize=4096)
def _is_host(name: str) -> bool:
    """Whether a dotted name is an address and not, say, an attribute of an object."""
    if _V4.fullmatch(name):
        return all(int(part) < 256 for part in name.split("."))
    labels = name.lower().split(".")
    if labels[-1] in _RESERVED or labels[-1].startswith("xn--"):
        return True
    if labels[-1].isdigit() or (len(labels) == 2 and labels[-1] in _FILE_ENDS):
        return False
    suffixes = _suffixes()
    return bool(suffixes.publicsuffix(labels[-1]))  # type: ignore[attr-defined]


def defang(address: str) -> str:
    """An address that nothing will make a link of: `hxxps://a[.]b/c.d`, `u[@]a[.]b`."""
    found = _URL.fullmatch(address)
    if found is None:
        return address.replace("@", "[@]").replace(".", "[.]")
    scheme = found["scheme"]
    user = (found["user"] or "").replace("@", "[@]").replace(".", "[.]")
    host = found["host"] if found["host"].startswith("[") else found["host"].replace(".", "[.]")
    return f"{_SCHEMES.get(scheme.lower(), scheme)}://{user}{host}{found['rest']}"


def _addresses(text: str) -> Iterator[tuple[int, int]]:
    """Where the addresses of a text stand, as half-open spans of code points."""
    for found in _ADDRESS.finditer(text):
        start, end = found.span()
        if found["url"]:
            end -= len(found["url"]) - len(found["url"].rstrip(".,;:!?)]"))
            if "[" in text[start:end] and "]" not in text[start:end]:
                end = found.end()
        elif not _is_host(found["host"] or found["mail"].rpartition("@")[2]):
            continue
        yield start, end


# --- pieces -----------------------------------------------------------------------------------


def _runs(text: str, one_line: bool) -> Iterator[Piece]:
    """Cuts out labelled characters and surplus combining marks; joins the rest."""
    run: list[str] = []
    marks = dropped = 0

    def flush() -> Iterator[Piece]:
        nonlocal run
        if run:
            yield Piece("text", "".join(run))
            run = []

    def counted() -> Iterator[Piece]:
        nonlocal dropped
        if dropped:
            yield from flush()
            yield Piece("capped", f"{dropped} more marks")
            dropped = 0

    for at, char in enumerate(text):
        if unicodedata.category(char).startswith("M") and char not in _BLANKS:
            marks += 1
            if marks <= MARKS_PER_BASE:
                run.append(char)
            else:
                dropped += 1
            continue
        marks = 0
        yield from counted()
        if _labelled(text, at):
            yield from flush()
            yield Piece("chip", f"U+{ord(char):04X}", _storable(char))
        elif char in _BREAKS:
            if one_line:
                run.append(" ")
            elif char == "\t" or not (char == "\r" and text[at + 1 : at + 2] == "\n"):
                run.append("\t" if char == "\t" else "\n")
        else:
            run.append(char)
    yield from counted()
    yield from flush()


def _storable(char: str) -> str:
    return "\ufffd" if "\ud800" <= char <= "\udfff" else char


_WORD = re.compile(r"[^\W\d_](?:[\w\u0300-\u036f]*)?")


def _words(text: str) -> Iterator[Piece]:
    """Marks words of mixed scripts and words of compatibility letters."""
    if text.isascii():
        yield Piece("text", text)
        return
    last = 0
    for found in re.finditer(r"[\w\u0300-\u036f\u24b6-\u24e9]+", text):
        word = found[0]
        scripts = _scripts(word)
        compat = any(_is_compat(char) for char in word)
        if not scripts and not compat:
            continue
        if found.start() > last:
            yield Piece("text", text[last : found.start()])
        if scripts:
            yield Piece("mixed", word, word, " + ".join(scripts))
        else:
            yield Piece("compat", word, word, unicodedata.normalize("NFKC", word))
        last = found.end()
    if last < len(text):
        yield Piece("text", text[last:])


def pieces(text: str, *, one_line: bool = True, addresses: bool = True) -> list[Piece]:
    """A text as runs to show, in order.

    Args:
        text: what somebody else wrote.
        one_line: line breaks and tabs become spaces.
        addresses: URLs, host names, IPs and mail addresses are defanged.
    """
    out: list[Piece] = []
    runs = [Piece("text", text)] if _PLAIN.fullmatch(text) else list(_runs(text, one_line))
    for run in runs:
        if run.kind != "text":
            out.append(run)
            continue
        last = 0
        for start, end in _addresses(run.text) if addresses else ():
            out += _words(run.text[last:start])
            out += _address(run.text[start:end])
            last = end
        out += _words(run.text[last:])
    return [piece for piece in out if piece.text]


def _address(real: str) -> list[Piece]:
    """One defanged address; the words at fault in it are marked, and it stays one thing to copy."""
    words = list(_words(defang(real)))
    notes = [piece.note for piece in words if piece.note]
    parts = [Piece("defanged", defang(real), real)]
    if not notes:
        return parts
    kind = next(piece.kind for piece in words if piece.note)
    return [Piece(kind, defang(real), real, " · ".join(dict.fromkeys(notes)))]


@lru_cache(maxsize=4096)
def _shown_short(text: str, one_line: bool, addresses: bool) -> Shown:
    return Shown(tuple(pieces(text, one_line=one_line, addresses=addresses)), (), len(text))


def shown(text: str, *, one_line: bool = True, addresses: bool = True) -> Shown:
    """A text for the macro `t()`: cut into pieces, folded after 300 characters."""
    if len(text) <= FOLD_AT:
        return _shown_short(text, one_line, addresses)
    return _fold(pieces(text, one_line=one_line, addresses=addresses), len(text))


def _fold(whole: Sequence[Piece], size: int) -> Shown:
    head: list[Piece] = []
    room = FOLD_AT
    for number, piece in enumerate(whole):
        if len(piece.text) <= room:
            head.append(piece)
            room -= len(piece.text)
            continue
        if piece.kind == "text" and room:
            while room > 1 and unicodedata.category(piece.text[room]).startswith("M"):
                room -= 1  # a mark stays with its base
            cut = Piece("text", piece.text[:room]), Piece("text", piece.text[room:])
            return Shown((*head, cut[0]), (cut[1], *whole[number + 1 :]), size)
        return Shown(tuple(head), tuple(whole[number:]), size)
    return Shown(tuple(head), (), size)


def clipped(text: str, limit: int = 160) -> Shown:
    """A text for where nothing can be unfolded (link texts, list rows): cut, with an ellipsis."""
    if len(text) <= limit:
        return shown(text)
    out: list[Piece] = []
    room = limit - 1
    for piece in pieces(text[: 64 * limit]):
        # A count of hidden marks takes no room: what follows it is what the reader came for.
        if piece.kind == "capped" or len(piece.text) <= room:
            out.append(piece)
            room -= 0 if piece.kind == "capped" else len(piece.text)
            continue
        if piece.kind == "text":
            out.append(Piece("text", piece.text[:room].rstrip()))
        break
    else:
        return Shown(tuple(out), (), len(text))
    return Shown((*out, Piece("text", "…")), (), len(text))


def plain(text: str, *, addresses: bool = True) -> str:
    """A text for where no element can stand (an attribute, a drawing, a list of options)."""
    return "".join(piece.text for piece in pieces(text, addresses=addresses))


def notes(shown_text: Sequence[Piece]) -> tuple[str, ...]:
    """What is to be said behind a text about words in it: "Cyrillic + Latin", "= gridco".

    Behind the text, not inside it: what was written stays in one piece. Where the text is more
    than the one word, the word is named.
    """
    found = [piece for piece in shown_text if piece.kind in ("mixed", "compat")]
    alone = len(shown_text) == 1
    return tuple(
        dict.fromkeys(
            ("= " if piece.kind == "compat" else "" if alone else f"{piece.text}: ") + piece.note
            for piece in found
        )
    )


def source(text: str) -> list[Piece]:
    """A text as it is, for the source view: every character stays, chips stand around their own.

    `"".join(piece.real for piece in source(text)) == text`.
    """
    out: list[Piece] = []
    last = 0
    if _PLAIN.fullmatch(text):
        return [Piece("text", text, text)] if text else []
    for at, char in enumerate(text):
        if _labelled(text, at):
            if at > last:
                out.append(Piece("text", text[last:at], text[last:at]))
            out.append(Piece("chip", f"U+{ord(char):04X}", char))
            last = at + 1
    if last < len(text):
        out.append(Piece("text", text[last:], text[last:]))
    return out


# --- other doors ------------------------------------------------------------------------------


CSV = "text/csv; charset=utf-8"
_FORMULA = frozenset("=+-@\t\r\n＝＋－＠")
"""What a spreadsheet takes for the start of a formula, the wide forms of these signs too."""


def csv_cell(text: str) -> str:
    """A cell that a spreadsheet reads as text, never as a formula."""
    return "'" + text if text[:1] in _FORMULA else text


def csv_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """A table with a header row, in UTF-8 with RFC 4180 line ends; None is an empty cell."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(head)
    for row in rows:
        writer.writerow(["" if cell is None else csv_cell(str(cell)) for cell in row])
    return out.getvalue().encode()


def terminal(text: str, *, one_line: bool = True) -> str:
    """A text for a terminal: control and direction characters written as `\\u{202E}`, never sent.

    With `one_line=False` line feeds and tabs pass.
    """
    if _PLAIN.fullmatch(text):
        return text
    passes = frozenset() if one_line else frozenset("\n\t")
    return "".join(
        f"\\u{{{ord(char):X}}}"
        if (char in _BREAKS and char not in passes) or _labelled(text, at)
        else char
        for at, char in enumerate(text)
    )
