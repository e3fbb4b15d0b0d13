"""The second look: escaped text, decoded one level on a copy whose every byte knows its origin.

Only lines that hold the trigger are copied. `json`: `\\/`, `\\\\`, `\\uXXXX` everywhere, and the
other escapes of JSON in lines that begin like JSON. `percent`: `%` and two hex digits.
`defang`: the broken links of mail, tickets and chat.

Spec: design/find.md §1.3, second pass.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.stix.values import refang

Bytes = NDArray[np.uint8]
Places = NDArray[np.intp]

_HEX_VALUE = np.full(256, 255, np.uint8)
for _byte in b"0123456789abcdefABCDEF":
    _HEX_VALUE[_byte] = int(chr(_byte), 16)
_CORE = np.zeros(256, np.bool_)
_CORE[list(b"/u\\")] = True
_MORE = np.zeros(256, np.bool_)
_MORE[list(b'"nrtbf')] = True
_PLAIN = np.arange(256, dtype=np.uint8)
# A decoded control character only has to end a name, and must not look like the end of a line.
for _byte in b"nrtbf":
    _PLAIN[_byte] = 32
_BROKEN = re.compile(
    rb"(?i)\bhxxps?[ ]?[\[({]?:|\bfxps?[ ]?[\[({]?:|[\[({][ ]?(?:\.|dot|@|at|:)|\[/\]"
)


class Decoded(NamedTuple):
    """A decoded copy: byte `i` of `text` began at `origin[i]`; `origin[len(text)]` is the end."""

    text: bytes
    origin: Places


def decoded(way: str, text: bytes, *, in_json: bool = False) -> Decoded | None:
    """The lines of `text` that hold the trigger of `way`, decoded; None where no line does.

    `in_json`: the text begins in the middle of a line that began like JSON.
    """
    if way == "json":
        return _json(text, in_json) if b"\\" in text else None
    if way == "percent":
        return _percent(text) if b"%" in text else None
    return _defang(text)


class _Copy(NamedTuple):
    """The lines that hold a trigger, one after another, each with its newline."""

    text: Bytes
    origin: Places
    """Where each byte came from."""
    places: Places
    """Where the triggers stand in the copy."""


def _copied(b: Bytes, places: Places) -> _Copy:
    ends = np.append(np.flatnonzero(b == 10) + 1, b.size)
    line, owner = np.unique(np.searchsorted(ends, places, side="right"), return_inverse=True)
    high = ends[line]
    low = np.where(line > 0, ends[line - 1], 0)
    length = high - low
    shift = low - (np.cumsum(length) - length)
    origin = np.arange(int(length.sum())) + np.repeat(shift, length)
    return _Copy(b[origin], origin, places - shift[owner])


def _json(text: bytes, in_json: bool) -> Decoded | None:
    b = np.frombuffer(text + b"\n\n\n\n\n\n", np.uint8)
    slashes = np.flatnonzero(b == 92)
    # In a row of backslashes the first, third, ... escapes; only the last can escape another byte.
    new = np.ones(slashes.size, np.bool_)
    new[1:] = np.diff(slashes) > 1
    row = slashes[new][np.cumsum(new) - 1]
    escapes = slashes[(slashes - row) % 2 == 0]
    escapes = escapes[escapes + 1 < len(text)]
    after = b[escapes + 1]
    core, more = _CORE[after], _MORE[after]
    if more.any():
        more &= _in_json(b, escapes, in_json)
    triggers = escapes[core | more]
    if not triggers.size:
        return None
    out, origin, triggers = _copied(b[: len(text)], triggers)
    b = np.append(out, np.full(6, 10, np.uint8))
    keep = np.ones(out.size, np.bool_)
    plain = triggers[b[triggers + 1] != 117]
    out[plain] = _PLAIN[b[plain + 1]]
    keep[plain + 1] = False
    _unicode(b, triggers[b[triggers + 1] == 117], out, keep)
    return _gathered(out, keep, origin)


def _in_json(b: Bytes, places: Places, continued: bool) -> NDArray[np.bool_]:
    """Which places lie in a line that begins with `{` or `[`."""
    newlines = np.flatnonzero(b == 10)
    line = np.searchsorted(newlines, places)
    first = b[np.where(line > 0, newlines[np.maximum(line - 1, 0)] + 1, 0)]
    result: NDArray[np.bool_] = (first == 123) | (first == 91) | ((line == 0) & continued)
    return result


def _unicode(b: Bytes, places: Places, out: Bytes, keep: NDArray[np.bool_]) -> None:
    r"""Write `\uXXXX` as UTF-8 over its own six bytes; surrogate pairs over their twelve."""
    places = places[places + 6 <= out.size]
    if not places.size:
        return
    digit = _HEX_VALUE[b[places[:, None] + np.arange(2, 6)]].astype(np.int64)
    good = (digit < 16).all(axis=1)
    places, digit = places[good], digit[good]
    code = ((digit[:, 0] * 16 + digit[:, 1]) * 16 + digit[:, 2]) * 16 + digit[:, 3]
    high = np.zeros(places.size, np.bool_)
    high[:-1] = (code[:-1] >> 10 == 0x36) & (code[1:] >> 10 == 0x37) & (np.diff(places) == 6)
    low = np.zeros(places.size, np.bool_)
    low[1:] = high[:-1]
    pair = np.flatnonzero(high)
    code[pair] = 0x10000 + ((code[pair] - 0xD800) << 10) + (code[pair + 1] - 0xDC00)
    code[(code >> 11 == 0x1B) & ~low] = 0xFFFD  # half of a pair stands for nothing
    size = np.where(code < 0x80, 1, np.where(code < 0x800, 2, np.where(code < 0x10000, 3, 4)))
    for place in range(6):
        keep[places + place] = (place < size) & ~low
    for length, lead in ((1, 0), (2, 0xC0), (3, 0xE0), (4, 0xF0)):
        some = np.flatnonzero((size == length) & ~low)
        value = code[some]
        for place in range(length - 1, 0, -1):
            out[places[some] + place] = 0x80 | (value & 0x3F)
            value = value >> 6
        out[places[some]] = lead | value


def _percent(text: bytes) -> Decoded | None:
    b = np.frombuffer(text + b"\n\n", np.uint8)
    signs = np.flatnonzero(b == 37)
    high, low = _HEX_VALUE[b[signs + 1]], _HEX_VALUE[b[signs + 2]]
    good = (high < 16) & (low < 16)
    signs = signs[good]
    if not signs.size:
        return None
    out, origin, signs = _copied(b[: len(text)], signs)
    keep = np.ones(out.size, np.bool_)
    out[signs] = high[good] * 16 + low[good]
    keep[signs + 1] = False
    keep[signs + 2] = False
    return _gathered(out, keep, origin)


def _gathered(out: Bytes, keep: NDArray[np.bool_], origin: Places) -> Decoded:
    kept = np.flatnonzero(keep)
    return Decoded(out[kept].tobytes(), np.append(origin[kept], origin[-1] + 1))


def _defang(text: bytes) -> Decoded | None:
    b = np.frombuffer(text, np.uint8)
    triggers = np.fromiter((match.start() for match in _BROKEN.finditer(text)), np.intp)
    if not triggers.size:
        return None
    copy = _copied(b, triggers)
    # Latin-1 maps bytes to characters one to one, so the offsets count bytes.
    plain, offsets = refang(copy.text.tobytes().decode("latin-1"))
    origin = np.append(copy.origin, copy.origin[-1] + 1)[np.array(offsets, np.intp)]
    return Decoded(plain.encode("latin-1"), origin)
