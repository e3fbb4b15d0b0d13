"""The numpy kernel: which stretches of a block could be a needle at all.

Everything here works on arrays over one chunk and knows nothing of rules. A *name byte* is
`[A-Za-z0-9._@-]`, a *name run* a maximal stretch of them without its trailing dots. A name and
its sub-domains share the end of the run, so one probe of the run's tail serves all; what passes
is cut at its dots and looked up whole. Only what a 64-bit hash could not reject leaves here.

Spec: design/find.md §1.2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Places = NDArray[np.intp]
Words = NDArray[np.uint64]

PAD = 64
"""Zero bytes before and after the chunk in its buffer, so that no gather leaves it."""
NAME = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._@-"
IS_NAME: tuple[bool, ...] = tuple(byte in NAME for byte in range(256))
LONGEST_NAME = 320
"""Bytes at the end of a run that are cut at its dots: a mail address has 64 + 1 + 253."""

_U = np.uint64
K1 = _U(0x9E3779B97F4A7C15)
K2 = _U(0xC2B2AE3D27D4EB4F)
K3 = _U(0x165667B19E3779F9)
FOLD = _U(0x2020202020202020)
_NAME_TABLE: Bytes = np.array(IS_NAME, dtype=np.uint8)
_DIGIT: NDArray[np.bool_] = np.array([48 <= byte <= 57 for byte in range(256)])
_HEX_OR_NOT_NAME: NDArray[np.bool_] = np.array(
    [byte in b"0123456789abcdefABCDEF@" or byte not in NAME for byte in range(256)]
)


class Chunk:
    """One stretch of text in a padded buffer, with the views the stages read it through.

    `raw` is the padded text, `at` (offsets into it) begin at `PAD`.
    """

    def __init__(self, text: bytes | memoryview) -> None:
        self.raw = b"".join((bytes(PAD), text, bytes(PAD)))
        self.bytes: Bytes = np.frombuffer(self.raw, np.uint8)
        size = len(self.raw) - 7
        self.words: Words = np.ndarray((size,), "<u8", self.raw, strides=(1,))

    def runs(self, shortest: int) -> tuple[Places, Places]:
        """Starts and ends of the name runs of at least `shortest` bytes, trailing dots dropped."""
        b = self.bytes
        folded = (b | np.uint8(32)) - np.uint8(97)
        name = folded < 26
        # - . 0-9 lie together but for the slash; @ and _ stand alone.
        low = b - np.uint8(45)
        name |= (low < 13) & (low != 2)
        name |= b == 64
        name |= b == 95
        flips = np.flatnonzero(name[1:] != name[:-1])
        starts, ends = flips[0::2] + 1, flips[1::2] + 1
        long = ends - starts >= shortest
        starts, ends = starts[long], ends[long]
        dotted = np.flatnonzero(b[ends - 1] == 46)
        if dotted.size:
            trimmed = ends[dotted]
            while (still := b[trimmed - 1] == 46).any():
                trimmed = trimmed - still
            ends[dotted] = trimmed
            if (ends[dotted] - starts[dotted] < shortest).any():
                long = ends - starts >= shortest
                starts, ends = starts[long], ends[long]
        return starts, ends

    def tails(self, starts: Places, ends: Places, seed: int) -> Words:
        """Stage 1: a hash of each run's last 8 bytes, or 16 where it does not end in a letter."""
        b, words = self.bytes, self.words
        length = ends - starts
        x = words[ends - 8] | FOLD
        short = np.flatnonzero(length < 8)
        if short.size:
            x[short] >>= _U(8) * (8 - length[short]).astype(np.uint64)
        h: Words = x * K1
        last = b[ends - 1]
        other = np.flatnonzero(((last | np.uint8(32)) - np.uint8(97)) >= 26)
        if other.size:
            h[other] = self._number_tails(starts[other], ends[other])
        return _stirred(h ^ _U(seed))

    def _number_tails(self, starts: Places, ends: Places) -> Words:
        """The last 8 bytes of IPv4 addresses alone let nearly all pass: take 16, behind any @."""
        words = self.words
        x, y = words[ends - 8] | FOLD, words[ends - 16] | FOLD
        at = np.flatnonzero(_has_at(x) | _has_at(y))
        if at.size:
            moved = starts[at].copy()
            for back in range(16, 0, -1):
                place = ends[at] - back
                here = (place >= starts[at]) & (self.bytes[place] == 64)
                moved[here] = place[here] + 1
            starts = starts.copy()
            starts[at] = moved
        length = np.minimum(ends - starts, 16)
        return _both(x, y, length)

    def whole(self, starts: Places, ends: Places, seed: int) -> Words:
        """Stage 2: a hash of a whole name: its last 16 bytes, first 8 and length, folded."""
        length = ends - starts
        x, y = self.words[ends - 8] | FOLD, self.words[ends - 16] | FOLD
        h = _both(x, y, np.minimum(length, 16))
        z = self.words[starts] | FOLD
        z[length <= 16] = 0
        h ^= (z + length.astype(np.uint64)) * K3
        h = _stirred(h ^ _U(seed))
        h[h == 0] = 1  # 0 marks an empty slot
        return h

    def last_four(self, ends: Places) -> Places:
        """16 bits of the last 4 bytes, folded: the key of the second filter."""
        x = (self.words[ends - 8] | FOLD) >> _U(32)
        return ((x * K1) >> _U(48)).astype(np.intp)

    def cuts(self, starts: Places, ends: Places) -> tuple[Places, Places]:
        """Places behind a dot or an @ inside the runs, and the index of each one's run."""
        low = np.maximum(starts, ends - LONGEST_NAME)
        length = ends - low
        before = np.cumsum(length) - length
        place = np.arange(int(length.sum())) + np.repeat(low - before, length)
        byte = self.bytes[place]
        found = np.flatnonzero((byte == 46) | (byte == 64))
        owner = np.searchsorted(before, found, side="right") - 1
        behind = place[found] + 1
        inside = behind < ends[owner]
        return behind[inside], owner[inside]

    def dotted_quads(self) -> tuple[Places, Places, NDArray[np.uint32]]:
        """IPv4 addresses without a name byte at either end but @: starts, ends, values."""
        b = self.bytes
        dots = np.flatnonzero(b == 46)
        if dots.size < 3:
            return dots[:0], dots[:0], np.zeros(0, np.uint32)
        gap = np.diff(dots)
        fits = (gap >= 2) & (gap <= 4)
        quads = np.flatnonzero(fits[:-1] & fits[1:])
        first, second, third = dots[quads], dots[quads + 1], dots[quads + 2]
        ok = _DIGIT[b[first - 1]] & _DIGIT[b[third + 1]]
        first, second, third = first[ok], second[ok], third[ok]
        two, three = _DIGIT[b[first - 2]], _DIGIT[b[first - 3]]
        start = first - 1 - two - (two & three)
        two, three = _DIGIT[b[third + 2]], _DIGIT[b[third + 3]]
        end = third + 2 + two + (two & three)
        before, after = b[start - 1], b[end]
        ok = (_NAME_TABLE[before] == 0) | (before == 64)
        ok &= (_NAME_TABLE[after] == 0) | ((after == 46) & ~_DIGIT[b[end + 1]])
        start, first, second, third, end = (
            start[ok],
            first[ok],
            second[ok],
            third[ok],
            end[ok],
        )
        value = np.zeros(len(start), np.int64)
        good = np.ones(len(start), np.bool_)
        for low, high in (
            (start, first),
            (first + 1, second),
            (second + 1, third),
            (third + 1, end),
        ):
            part = self._number(low, high, good)
            value = value * 256 + part
        return start[good], end[good], value[good].astype(np.uint32)

    def _number(self, low: Places, high: Places, good: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Values of decimal parts of 1 to 3 bytes; `good` loses those that are none."""
        b = self.bytes
        length = high - low
        good &= (length >= 1) & (length <= 3)
        good &= (length == 1) | (b[low] != 48)
        value = np.zeros(len(low), np.int64)
        for place in range(3):
            used = place < length
            byte = b[np.where(used, low + place, low)]
            good &= ~used | _DIGIT[byte]
            value = np.where(used, value * 10 + byte - 48, value)
        good &= value <= 255
        return value

    def colon_groups(self) -> Places:
        """Places of colons that could lie in an IPv6 address: `::`, or six in close order."""
        b = self.bytes
        colons: Places = np.flatnonzero(b == 58)
        if colons.size < 2:
            return colons[:0]
        gap = np.diff(colons)
        double: Places = colons[:-1][gap == 1]
        double = double[_HEX_OR_NOT_NAME[b[double - 1]] & _HEX_OR_NOT_NAME[b[double + 2]]]
        close = (gap >= 2) & (gap <= 5)
        if close.size < 5:
            return double
        row = close[:-4] & close[1:-3] & close[2:-2] & close[3:-1] & close[4:]
        many = colons[:-5][row]
        many = many[_HEX_OR_NOT_NAME[b[many - 1]]]
        return np.sort(np.concatenate((double, many))) if many.size else double


def _has_at(folded: Words) -> NDArray[np.bool_]:
    """Which words hold an @, which folds to a byte (0x60) that no name has."""
    t = folded ^ _U(0x6060606060606060)
    found: NDArray[np.bool_] = ((t - _U(0x0101010101010101)) & ~t & _U(0x8080808080808080)) != 0
    return found


def _both(x: Words, y: Words, length: Places) -> Words:
    """Hash of the last `length` <= 16 bytes, given the last 8 and the 8 before them."""
    n = length.astype(np.uint64)
    short = np.flatnonzero(length < 16)
    if short.size:
        x, y, m = x.copy(), y.copy(), length[short]
        tiny = m < 8
        x[short] >>= np.where(tiny, 8 * (8 - m), 0).astype(np.uint64)
        y[short] = np.where(
            m <= 8, _U(0), y[short] >> np.where(m <= 8, 0, 8 * (16 - m)).astype(np.uint64)
        )
    result: Words = (x * K1) ^ (y * K2 + n)
    return result


def _stirred(h: Words) -> Words:
    h ^= h >> _U(29)
    h *= K2
    return h


class Tables:
    """What the kernel looks names up in: built once, then only read, by any number of threads."""

    def __init__(self, keys: list[bytes], below: list[bytes], *, seed: int) -> None:
        """Args:
        keys: the folded names to find, at least 4 bytes each.
        below: those that must be found below a longer run though stage 1 cannot: shorter than
            8 bytes, or not ending in a letter.
        seed: 64 random bits, so that nobody can prepare a log that fills our tables.
        """
        self.seed = seed & (2**64 - 1)
        self.shortest = min((len(key) for key in keys), default=6)
        self.minlen = max(4, min(6, self.shortest))
        self.lg = max(20, (16 * len(keys)).bit_length())
        self.bitmap = np.zeros(2**self.lg // 8, np.uint8)
        self.second: Bytes | None = None
        self.table: Words = np.zeros(2 ** max(4, (2 * len(keys)).bit_length()), np.uint64)
        if not keys:
            return
        chunk, starts, ends = _laid_out(keys)
        slot = (chunk.tails(starts, ends, self.seed) >> _U(64 - self.lg)).astype(np.intp)
        np.bitwise_or.at(self.bitmap, slot >> 3, (1 << (slot & 7)).astype(np.uint8))
        self._fill(np.unique(chunk.whole(starts, ends, self.seed)))
        if below:
            chunk, starts, ends = _laid_out(below)
            self.second = np.zeros(2**16, np.uint8)
            self.second[chunk.last_four(ends)] = 1

    def _fill(self, hashes: Words) -> None:
        mask = _U(len(self.table) - 1)
        slot = (hashes & mask).astype(np.intp)
        while hashes.size:
            free = np.flatnonzero(self.table[slot] == 0)
            places, first = np.unique(slot[free], return_index=True)
            won = free[first]
            self.table[places] = hashes[won]
            left = np.ones(len(hashes), np.bool_)
            left[won] = False
            # Whoever lost steps on only past slots that are taken by now: probing stays sound.
            hashes, slot = hashes[left], (slot[left] + 1) & int(mask)

    def known(self, hashes: Words) -> Places:
        """Indexes of the hashes that are in the table."""
        mask = len(self.table) - 1
        slot = (hashes & _U(mask)).astype(np.intp)
        found = self.table[slot]
        hit = found == hashes
        open_ = np.flatnonzero(~hit & (found != 0))
        while open_.size:
            slot[open_] = (slot[open_] + 1) & mask
            found = self.table[slot[open_]]
            hit[open_] = found == hashes[open_]
            open_ = open_[(found != 0) & ~hit[open_]]
        return np.flatnonzero(hit)

    def candidates(self, chunk: Chunk) -> tuple[Places, Places, Places, Words]:
        """Names that are, but for a chance of 2^-64, needles: start, end, start of run, hash."""
        starts, ends = chunk.runs(self.minlen)
        slot = (chunk.tails(starts, ends, self.seed) >> _U(64 - self.lg)).astype(np.intp)
        passed = (self.bitmap[slot >> 3] >> (slot & 7).astype(np.uint8)) & np.uint8(1)
        if self.second is not None:
            passed |= self.second[chunk.last_four(ends)]
        kept = np.flatnonzero(passed)
        starts, ends = starts[kept], ends[kept]
        behind, owner = chunk.cuts(starts, ends)
        long = np.flatnonzero(ends[owner] - behind >= self.shortest)
        behind, owner = behind[long], owner[long]
        s = np.concatenate((starts, behind))
        e = np.concatenate((ends, ends[owner]))
        run = np.concatenate((starts, starts[owner]))
        hashes = chunk.whole(s, e, self.seed)
        hit = self.known(hashes)
        return s[hit], e[hit], run[hit], hashes[hit]


def _laid_out(keys: list[bytes]) -> tuple[Chunk, Places, Places]:
    """The keys as runs of one chunk, so that they are hashed by the very code that scans."""
    chunk = Chunk(b"\n".join(keys))
    length = np.fromiter((len(key) for key in keys), np.intp, len(keys))
    ends = np.cumsum(length + 1) - 1 + PAD
    return chunk, ends - length, ends


class Ranges:
    """Disjoint ranges of IPv4 addresses: a bitmap of their /16, then binary search."""

    def __init__(self, ranges: list[tuple[int, int]]) -> None:
        merged: list[list[int]] = []
        for low, high in sorted(ranges):
            if merged and low <= merged[-1][1] + 1:
                merged[-1][1] = max(merged[-1][1], high)
            else:
                merged.append([low, high])
        self.low: Any = np.array([low for low, _ in merged], np.uint32)
        self.high: Any = np.array([high for _, high in merged], np.uint32)
        self.sixteen = np.zeros(2**16, np.bool_)
        for low, high in merged:
            self.sixteen[low >> 16 : (high >> 16) + 1] = True

    def hold(self, values: NDArray[np.uint32]) -> Places:
        """Indexes of the values that lie in a range."""
        near = np.flatnonzero(self.sixteen[values >> np.uint32(16)])
        if not near.size:
            return near
        some = values[near]
        place = np.searchsorted(self.low, some, side="right") - 1
        inside: Places = near[(place >= 0) & (some <= self.high[place])]
        return inside
