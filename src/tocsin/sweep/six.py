"""The numpy filter for IPv6: which spans of a chunk could be an address that is looked for.

A span is a maximal stretch of `[0-9A-Fa-f:.]`. All spans of a chunk are parsed side by side, one
column of bytes after another; what is wanted by number goes on to `rules.span6`, which decides.
The filter may let too much through, never too little.

Spec: design/find.md §1.2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tocsin.sweep.kernel import IS_NAME, Chunk, Places, Ranges

LONGEST = 46
"""Bytes of the longest writing, `xxxx:xxxx:xxxx:xxxx:xxxx:xxxx:255.255.255.255`, and one colon."""

_U = np.uint64
_Numbers = NDArray[np.uint64]
_SPAN = np.array([byte in b"0123456789abcdefABCDEF:." for byte in range(256)])
_NAME = np.array(IS_NAME)
_DIGIT_OF = np.full(256, 99, np.int64)
for _digit in b"0123456789abcdefABCDEF":
    _DIGIT_OF[_digit] = int(chr(_digit), 16)


class Wanted:
    """The numbers looked for: IPv6 addresses and prefixes, and IPv4 ones inside IPv6."""

    def __init__(
        self, exact6: list[int], prefixes6: dict[int, list[int]], exact4: list[int], ranges4: Ranges
    ) -> None:
        """Args:
        exact6: addresses as numbers.
        prefixes6: length in bits to the networks' numbers, shifted down by what they leave open.
        exact4: IPv4 addresses as numbers.
        ranges4: IPv4 prefixes.
        """
        self.exact_low: _Numbers = np.unique(np.array([n % 2**64 for n in exact6], np.uint64))
        self.prefixes = {
            length: np.unique(np.array([net >> max(0, length - 64) for net in nets], np.uint64))
            for length, nets in prefixes6.items()
        }
        self.exact4 = np.unique(np.array(exact4, np.int64))
        self.ranges4 = ranges4

    def spans(self, chunk: Chunk) -> Places:
        """One place, a colon, in each span whose number may be wanted."""
        colons = chunk.colon_groups()
        if not colons.size:
            return colons
        colons, starts, ends = _spans(chunk.bytes, colons)
        if not colons.size:
            return colons
        good, high, low = _parsed(chunk.bytes, starts, ends)
        wanted = np.isin(low, self.exact_low)
        for length, nets in self.prefixes.items():
            # Only the first 64 bits are compared: the exact rule sees the rest.
            wanted |= np.isin(high >> _U(max(0, 64 - length)), nets)
        inside = np.flatnonzero((high == 0) & (low >> _U(32) == _U(0xFFFF)))
        if inside.size:
            four = (low[inside] & _U(0xFFFFFFFF)).astype(np.int64)
            wanted[inside] |= np.isin(four, self.exact4)
            wanted[inside[self.ranges4.hold(four)]] = True
        return colons[good & wanted]


def _spans(b: NDArray[np.uint8], colons: Places) -> tuple[Places, Places, Places]:
    """The spans around the colons that no name byte but @ touches, each once."""
    starts, ends = _near(b, colons) if colons.size < b.size // 400 else _all(b, colons)
    starts, first = np.unique(starts, return_index=True)
    ends, colons = ends[first], colons[first]
    before = b[starts - 1]
    ok = (ends - starts <= LONGEST + 1) & ~_NAME[b[ends]] & (~_NAME[before] | (before == 64))
    return colons[ok], starts[ok], ends[ok]


def _near(b: NDArray[np.uint8], colons: Places) -> tuple[Places, Places]:
    """Starts and ends of the spans, by looking around each colon; right up to `LONGEST`."""
    reach = np.arange(1, LONGEST + 3)
    left = ~_SPAN[b[colons[:, None] - reach]]
    right = ~_SPAN[b[colons[:, None] + reach]]
    left[:, -1] = right[:, -1] = True
    return colons - np.argmax(left, axis=1), colons + 1 + np.argmax(right, axis=1)


def _all(b: NDArray[np.uint8], colons: Places) -> tuple[Places, Places]:
    """The same out of all spans of the chunk, where colons are many."""
    inside = _SPAN[b]
    flips = np.flatnonzero(inside[1:] != inside[:-1]) + 1
    starts, ends = flips[0::2], flips[1::2]
    owner = np.searchsorted(starts, colons, side="right") - 1
    return starts[owner], ends[owner]


def _parsed(
    b: NDArray[np.uint8], starts: Places, ends: Places
) -> tuple[NDArray[np.bool_], _Numbers, _Numbers]:
    """Which spans are addresses, and their numbers, the upper and the lower 64 bits."""
    count = len(starts)
    last, before = b[ends - 1], b[ends - 2]
    length = ends - starts - ((last == 46) | ((last == 58) & (before != 58)))
    group = np.zeros((9, count), np.int64)
    at = np.zeros(count, np.int64)  # groups so far
    gap = np.full(count, -1, np.int64)  # where "::" stands
    value = np.zeros(count, np.int64)
    decimal = np.zeros(count, np.int64)
    digits = np.zeros(count, np.int64)
    dots = np.zeros(count, np.int64)
    tail = np.zeros(count, np.int64)  # the dotted IPv4 address
    after_colon = np.zeros(count, np.bool_)
    bad = length < 2
    column = np.arange(count)
    for place in range(int(length.max(initial=0))):
        active = place < length
        byte = b[np.where(active, starts + place, starts)]
        digit = _DIGIT_OF[byte]
        is_digit, colon = active & (digit < 16), active & (byte == 58)
        dot = active & (byte == 46)
        value = np.where(is_digit, value * 16 + digit, value)
        decimal = np.where(is_digit, decimal * 10 + np.minimum(digit, 10_000), decimal)
        digits += is_digit
        ended = colon & (digits > 0)
        group[np.minimum(at, 8)[ended], column[ended]] = value[ended]
        at += ended
        double = colon & (digits == 0)
        bad |= double & ((gap >= 0) | (~after_colon & (place > 0)))
        # One colon at the very start must be followed by another.
        gap = np.where(double & after_colon, at, gap)
        tail = np.where(dot, tail * 256 + decimal, tail)
        bad |= (dot & ((digits == 0) | (decimal > 255))) | (colon & (dots > 0)) | (digits > 4)
        dots += dot
        reset = colon | dot
        for numbers in (value, decimal, digits):
            numbers[reset] = 0
        after_colon = np.where(active, colon, after_colon)
        bad |= active & (place == 1) & ~colon & (b[starts] == 58)
    whole = (dots == 0) & (digits > 0)
    group[np.minimum(at, 8)[whole], column[whole]] = value[whole]
    at += whole
    dotted = dots == 3
    tail = tail * 256 + decimal
    bad |= (dots > 0) & (~dotted | (digits == 0) | (decimal > 255))
    for offset, half in ((0, tail >> 16), (1, tail & 0xFFFF)):
        group[np.minimum(at + offset, 8)[dotted], column[dotted]] = half[dotted]
    at += 2 * dotted
    bad |= np.where(gap < 0, at != 8, at > 7)
    numbers64 = np.zeros((2, count), np.uint64)
    for place in range(8):
        missing = 8 - at
        open_ = (gap >= 0) & (place >= gap) & (place < gap + missing)
        source = np.where((gap >= 0) & (place >= gap), place - missing, place)
        part = np.where(open_, 0, group[np.clip(source, 0, 8), column])
        half = numbers64[place // 4]
        half <<= _U(16)
        half |= part.astype(np.uint64)
    return ~bad, numbers64[0], numbers64[1]
