"""When a survivor of the kernel is a hit: exact rules, one class per kind of needle.

Each `judge` is given the padded text, where the found name starts and ends, and where its run
starts, and answers with the hit's own start, end and rule, or None.

Spec: design/find.md §1.3.
"""

from __future__ import annotations

import unicodedata
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import NamedTuple

from msgspec import Struct

from tocsin.stix.values import DEFAULT_PORT
from tocsin.sweep.kernel import IS_NAME

_URL_END = frozenset(b"\"'`<>,;)]}|\\\x7f") | frozenset(range(0x21))
_SPAN6 = b"0123456789abcdefABCDEF:."
_LETTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")


class Judged(NamedTuple):
    """A hit inside one text: its own bytes and the rule that made it one."""

    start: int
    end: int
    rule: str


# --- neighbours -----------------------------------------------------------------------------


def _joins(char: str) -> bool:
    """A letter, mark or digit outside ASCII joins a name, unless it is East Asian wide."""
    return unicodedata.category(char)[0] in "LMN" and unicodedata.east_asian_width(char) not in "WF"


def _char_before(text: bytes, place: int) -> str:
    """The character outside ASCII that ends at `place`; empty for ASCII or what is not UTF-8."""
    if text[place - 1] < 0x80:
        return ""
    for length in (2, 3, 4):
        try:
            return text[place - length : place].decode()
        except UnicodeDecodeError:
            continue
    return ""


def _char_after(text: bytes, place: int) -> str:
    if text[place] < 0xC2:
        return ""
    for length in (2, 3, 4):
        try:
            return text[place : place + length].decode()
        except UnicodeDecodeError:
            continue
    return ""


def joined_before(text: bytes, place: int) -> bool:
    """Whether the name that starts at `place` goes on to the left, in another script."""
    char = _char_before(text, place)
    return bool(char) and _joins(char)


def joined_after(text: bytes, place: int) -> bool:
    """Whether the name that ends at `place` goes on to the right, in another script."""
    while text[place] == 46:
        place += 1
    char = _char_after(text, place)
    return bool(char) and _joins(char)


def ends_name(text: bytes, place: int) -> bool:
    """Whether nothing of a name follows at `place` but trailing dots."""
    while text[place] == 46:
        place += 1
    return not IS_NAME[text[place]] and not joined_after(text, place)


# --- names ----------------------------------------------------------------------------------


class Domain(Struct, frozen=True):
    """A domain: the whole run, right of an @, or what follows one of its dots."""

    needle: int
    alone: bool
    """A public suffix, which matches itself only."""

    def judge(self, text: bytes, start: int, end: int, run: int) -> Judged | None:
        if joined_after(text, end):
            return None
        at = text.rfind(b"@", run, start)
        begin = run if at < 0 else at + 1
        while begin < start and text[begin] == 46:
            begin += 1
        if begin == start:
            # Leading dots cut off what stands before them, another script's letters too.
            if start == run and joined_before(text, start):
                return None
            if start == run or text[start - 1] != 46 or not joined_before(text, run):
                return Judged(start, end, "exact" if at < 0 else "host")
        if self.alone or text[start - 1] != 46:
            return None
        if at < 0 and joined_before(text, run):
            begin = run
            while (before := _step_back(text, begin, wide=False)) < begin:
                begin = before
        return Judged(begin, end, "parent")


class UnicodeDomain(Struct, frozen=True):
    """A domain in its own script; `name` in NFC and lower, found by an ASCII run inside it."""

    needle: int
    name: str
    alone: bool

    def judge(self, text: bytes, start: int, end: int, run: int) -> Judged | None:
        stop = _forward(text, end)
        place = start
        while _folded(text[place:stop]) != self.name:
            before = _step_back(text, place, wide=True)
            if before == place or stop - before > 4 * 253:
                return None
            place = before
        if text[place - 1] == 64:
            return Judged(place, stop, "host")
        if text[place - 1] != 46:
            if IS_NAME[text[place - 1]] or joined_before(text, place):
                return None
            return Judged(place, stop, "exact")
        begin = place
        while (before := _step_back(text, begin, wide=False)) < begin:
            begin = before
        rule = "host" if text[begin - 1] == 64 else "exact"
        while begin < place and text[begin] == 46:
            begin += 1
        if begin == place:
            return Judged(place, stop, rule)
        return None if self.alone else Judged(begin, stop, "parent")


def _step_back(text: bytes, place: int, *, wide: bool) -> int:
    """One character of a host name to the left, or `place` where the name starts."""
    if IS_NAME[text[place - 1]]:
        return place if text[place - 1] == 64 else place - 1
    char = _char_before(text, place)
    if char and unicodedata.category(char)[0] in "LMN" and (wide or _joins(char)):
        return place - len(char.encode())
    return place


def _forward(text: bytes, place: int) -> int:
    """The end of a name that may go on in any script; trailing dots dropped."""
    while True:
        if IS_NAME[text[place]] and text[place] != 64:
            place += 1
        elif (char := _char_after(text, place)) and _joins(char):
            place += len(char.encode())
        else:
            break
    while text[place - 1] == 46:
        place -= 1
    return place


def _folded(raw: bytes) -> str:
    try:
        return unicodedata.normalize("NFC", unicodedata.normalize("NFC", raw.decode()).lower())
    except UnicodeDecodeError:
        return ""


class Whole(Struct, frozen=True):
    """A hash, e-mail or file name: a whole run, folded unless `exactly` gives its bytes."""

    needle: int
    exactly: bytes = b""
    email: bool = False

    def judge(self, text: bytes, start: int, end: int, run: int) -> Judged | None:
        if start != run or joined_before(text, start) or joined_after(text, end):
            return None
        if self.exactly and text[start:end] != self.exactly:
            return None
        if self.email and text[start - 1] == 43:
            return None
        return Judged(start, end, "exact")


# --- addresses ------------------------------------------------------------------------------


class Address(Struct, frozen=True):
    """An IPv4 address in its own writing; inside IPv6 it is found by `span6`."""

    needle: int

    def judge(self, text: bytes, start: int, end: int, run: int) -> Judged | None:
        rule = "exact" if start == run else "host"
        if start != run and text[start - 1] != 64:
            return None
        if joined_after(text, end) or (start == run and joined_before(text, start)):
            return None
        if text[start - 1] == 58 and span6(text, start - 1) is not None:
            return None
        return Judged(start, end, rule)


class Span6(NamedTuple):
    """A written IPv6 address: where it stands, and its number."""

    start: int
    end: int
    value: int
    host: bool


def span6(text: bytes, colon: int) -> Span6 | None:
    """The IPv6 address around a colon, or None where there is none.

    A span of hex digits, colons and dots that no name byte touches; one final dot or single
    colon is dropped, a zone ends it. Spec: design/find.md §1.2.
    """
    left = text[max(0, colon - 48) : colon]
    start = colon - (len(left) - len(left.rstrip(_SPAN6)))
    right = text[colon : colon + 48]
    end = colon + len(right) - len(right.lstrip(_SPAN6))
    if end - start > 46 + 1:
        return None
    before = text[start - 1]
    if IS_NAME[text[end]] or (IS_NAME[before] and before != 64):
        return None
    if joined_before(text, start) or joined_after(text, end):
        return None
    span = text[start:end]
    if span.endswith(b".") or (span.endswith(b":") and not span.endswith(b"::")):
        span, end = span[:-1], end - 1
    try:
        value = int(IPv6Address(span.decode("ascii")))
    except (AddressValueError, ValueError):
        return None
    return Span6(start, end, value, before == 64)


def mapped(value: int) -> IPv4Address | None:
    """The IPv4 address that `::ffff:a.b.c.d` stands for."""
    return IPv4Address(value & 0xFFFFFFFF) if value >> 32 == 0xFFFF else None


# --- anchored needles -----------------------------------------------------------------------


class Anchored(Struct, frozen=True):
    """A path, key, agent, mutex or odd name: bytes equal around the anchor.

    `text` is the needle in its normal form: `before` the anchor, and `after` where it starts;
    `fold` where case does not count.
    """

    needle: int
    text: str
    before: str
    after: str
    fold: bool
    email: bool = False

    def judge(self, text: bytes, start: int, end: int, run: int) -> Judged | None:
        low = self._left(text, start)
        high = self._right(text, start)
        if low < 0 or high < 0:
            return None
        if _name_edge(self.text[0]) and (
            IS_NAME[text[low - 1]]
            or joined_before(text, low)
            or (self.email and text[low - 1] == 43)
        ):
            return None
        if _name_edge(self.text[-1]) and not ends_name(text, high):
            return None
        return Judged(low, high, "exact")

    def words(self) -> list[tuple[int, int]]:
        """Folded 8-byte words (little-endian) that stand at fixed offsets from the anchor."""
        if not self.text.isascii():
            return []
        raw, zero = self.text.encode(), len(self.before)
        low, high = max(-48, -zero), min(48, len(self.after))
        found = []
        for offset in range(low, high - 7, 8):
            word = int.from_bytes(raw[zero + offset : zero + offset + 8], "little")
            found.append((offset, word | 0x2020202020202020))
        return found

    def _fit(self, raw: bytes, want: str) -> bool:
        try:
            have = unicodedata.normalize("NFC", raw.decode())
        except UnicodeDecodeError:
            return False
        if self.fold:
            have = unicodedata.normalize("NFC", have.lower())
        return have == want

    def _left(self, text: bytes, anchor: int) -> int:
        want = self.before
        low = anchor - len(want.encode())
        if low >= 0 and self._fit(text[low:anchor], want):
            return low
        return -1 if want.isascii() else self._slid(text, anchor, want, -1)

    def _right(self, text: bytes, anchor: int) -> int:
        want = self.after
        high = anchor + len(want.encode())
        if self._fit(text[anchor:high], want):
            return high
        return -1 if want.isascii() else self._slid(text, anchor, want, 1)

    def _slid(self, text: bytes, anchor: int, want: str, step: int) -> int:
        """Another case or composition may have another length: try all that could be."""
        for place in range(anchor, anchor + step * (4 * len(want) + 1), step):
            if not 0 <= place <= len(text):
                break
            low, high = sorted((place, anchor))
            if self._fit(text[low:high], want):
                return place
        return -1


def _name_edge(char: str) -> bool:
    return IS_NAME[ord(char)] if char.isascii() else _joins(char)


class Url(Struct, frozen=True):
    """A URL: host folded, port and rest exact, http = https = none, userinfo skipped."""

    needle: int
    scheme: bytes
    host: bytes
    port: bytes
    rest: bytes
    """Path and query, beginning with a slash."""
    in_rest: int
    """Where the anchor stands in `rest`, or -1 if the anchor is the host."""

    def judge(self, text: bytes, start: int, end: int, run: int) -> Judged | None:
        if self.in_rest < 0:
            low, rest = start, end
            if text[rest] == 46 and text[rest + 1] in b"/:?#":
                rest += 1
            port = b""
            if text[rest] == 58:
                stop = rest + 1
                while 48 <= text[stop] <= 57 and stop - rest < 7:
                    stop += 1
                port, rest = text[rest + 1 : stop], stop
        else:
            rest = start - self.in_rest
            high = rest
            while 48 <= text[high - 1] <= 57 and rest - high < 6:
                high -= 1
            port = b""
            if high < rest and text[high - 1] == 58:
                port = text[high:rest]
                high -= 1
            else:
                high = rest
            if text[high - 1] == 46:
                high -= 1
            low = high - len(self.host)
            if low < 0 or text[low:high].lower() != self.host:
                return None
        found = self._scheme(text, low)
        if found is None:
            return None
        first, scheme = found
        default = DEFAULT_PORT.get((scheme or self.scheme).decode(), "").encode()
        port = port.lstrip(b"0")
        if (b"" if port == default else port) != self.port:
            return None
        high = rest + len(self.rest)
        if text[rest:high] != self.rest:
            # The empty path is "/", but without a scheme that would be a mere host.
            if self.rest != b"/" or text[rest] == 47 or not scheme:
                return None
            high = rest
        rule = self._end(text, high)
        return Judged(first, high, rule) if rule else None

    def _scheme(self, text: bytes, host: int) -> tuple[int, bytes] | None:
        """Where the URL starts and the scheme it is written with, if it is one of ours."""
        place = host
        if text[place - 1] == 64:
            low = text.rfind(b"//", max(0, place - 256), place)
            if low < 0 or any(byte in _URL_END or byte == 47 for byte in text[low + 2 : place]):
                return None
            place = low + 2
        if text[place - 2 : place] == b"//" and text[place - 3] == 58:
            start = place - 3
            while text[start - 1] in _LETTERS and place - start < 24:
                start -= 1
            scheme = text[start : place - 3].lower()
            web = (b"http", b"https")
            if scheme != self.scheme and not (scheme in web and self.scheme in web):
                return None
            return start, scheme
        if place != host or IS_NAME[text[host - 1]] or text[host - 1] == 47:
            return None
        return None if joined_before(text, host) else (host, b"")

    def _end(self, text: bytes, place: int) -> str:
        """`exact` where the URL ends here, `prefix` where a longer one goes on, or nothing."""
        stop = place
        while text[stop] == 46:
            stop += 1
        byte = text[stop]
        if byte in _URL_END or (byte == 38 and b"?" not in self.rest):
            return "exact"
        if byte >= 0x80 and not joined_after(text, stop):
            return "exact"
        if self.rest.endswith(b"/") or text[place] in b"/?#":
            return "prefix"
        return ""


Entry = Domain | UnicodeDomain | Whole | Address | Anchored | Url
"""One needle, ready to judge what the kernel found for it."""
