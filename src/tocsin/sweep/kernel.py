"""The numpy kernel: which stretches of a block could be a needle at all.

Everything here works on arrays over one chunk and knows nothing of rules. A *name byte* is
`[A-Za-z0-9._@-]`, a *name run* a maximal stretch of them without its trailing dots. A name and
its sub-domains share the end of the run, so one probe of the run's tail serves all; what passes
is cut at its dots and looked up whole. Only what a 64-bit hash could not reject leaves here.

Spec: design/find.md §1.2.
"""

from __future__ import annotations

from collections.abc import Iterator

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


SLICE = 1 << 18
"""Bytes that pass through the byte-wise stages at once, so that they stay in the cache."""


class Chunk:
    """One stretch of text in a padded buffer, with the views the stages read it through.

    Every offset in and out counts from the start of the padded buffer; the text begins at `PAD`.
    """

    def __init__(self, text: bytes | memoryview) -> None:
        self.raw = b"".join((bytes(PAD), text, bytes(PAD)))
        self.bytes: Bytes = np.frombuffer(self.raw, np.uint8)
        size = len(self.raw) - 7
        self.words: Words = np.ndarray((size,), "<u8", self.raw, strides=(1,))

    def slices(self) -> Iterator[tuple[int, int]]:
        """The text in pieces; no name byte stands before, nor at the last place of, a piece."""
        low, last = PAD, len(self.raw) - PAD + 1
        while low < last:
            high = last
            if low + SLICE < last:
                high = self.raw.rfind(b"\n", low, low + SLICE) + 1
                if high <= low:
                    high = self.raw.find(b"\n", low + SLICE, last) + 1 or last
            yield low, high
            low = high

    def runs(self, low: int, high: int, shortest: int) -> tuple[Places, Places]:
        """Starts and ends of name runs of 4, 5 or 6 bytes and more, trailing dots dropped."""
        size = max(high - low, shortest - 1)
        b = self.bytes[low - 1 : low + size + 6]
        folded = (b | np.uint8(32)) - np.uint8(97)
        name = folded < 26
        # - . 0-9 lie together but for the slash; @ and _ stand alone.
        folded = b - np.uint8(45)
        name |= (folded < 13) & (folded != 2)
        name |= b == 64
        name |= b == 95
        # Long runs only: true where `shortest` name bytes begin.
        two = name[:-1] & name[1:]
        long = two[:-2] & two[2:]
        if shortest == 5:
            long = long[:-1] & name[4:]
        elif shortest == 6:
            long = long[:-2] & two[4:]
        starts = np.flatnonzero(long[1 : size + 1] > name[:size]) + low
        ends = np.flatnonzero(long[: size + 1 - shortest] > name[shortest : size + 1])
        ends += low - 1 + shortest
        dotted = np.flatnonzero(self.bytes[ends - 1] == 46)
        if dotted.size:
            trimmed = ends[dotted] - 1
            # One dot is what there is nearly always; a run of a million of them is counted once.
            for place in np.flatnonzero(self.bytes[trimmed - 1] == 46).tolist():
                run = self.raw[int(starts[dotted[place]]) : int(trimmed[place])]
                trimmed[place] -= len(run) - len(run.rstrip(b"."))
            ends[dotted] = trimmed
            if (trimmed - starts[dotted] < shortest).any():
                kept = np.flatnonzero(ends - starts >= shortest)
                starts, ends = starts[kept], ends[kept]
        return starts, ends

    def tails(self, starts: Places, ends: Places, x: Words, seed: int) -> Words:
        """Stage 1: a hash of each run's last 8 bytes, or 16 where it does not end in a letter.

        Args:
            x: the 8 bytes before each of `ends`, folded.
        """
        b = self.bytes
        h: Words = (x >> _missing(ends - starts)) * K1
        other = np.flatnonzero(((b[ends - 1] | np.uint8(32)) - np.uint8(97)) >= 26)
        if other.size:
            h[other] = self._number_tails(starts[other], ends[other], x[other])
        return _stirred(h ^ _U(seed))

    def _number_tails(self, starts: Places, ends: Places, x: Words) -> Words:
        """The last 8 bytes of IPv4 addresses alone let nearly all pass: take 16, behind any @."""
        y = self.words[ends - 16] | FOLD
        at = np.flatnonzero(_has_at(x) | _has_at(y))
        if at.size:
            moved = starts[at].copy()
            for back in range(16, 0, -1):
                place = ends[at] - back
                here = (place >= starts[at]) & (self.bytes[place] == 64)
                moved[here] = place[here] + 1
            starts = starts.copy()
            starts[at] = moved
        return _both(x, y, ends - starts)

    def whole(self, starts: Places, ends: Places, seed: int) -> Words:
        """Stage 2: a hash of a whole name: its last 16 bytes, first 8 and length, folded."""
        length = ends - starts
        x, y = self.words[ends - 8] | FOLD, self.words[ends - 16] | FOLD
        h = _both(x, y, length)
        z = self.words[starts] | FOLD
        z[length <= 16] = 0
        h ^= (z + length.astype(np.uint64)) * K3
        h = _stirred(h ^ _U(seed))
        h[h == 0] = 1  # 0 marks an empty slot
        return h

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

    def dotted_quads(self, ranges: Ranges) -> tuple[Places, Places, NDArray[np.int64]]:
        """IPv4 addresses in `ranges`, no name byte at either end but @: starts, ends, values."""
        b = self.bytes
        parts = [self._three_dots(low, high) for low, high in self.slices()]
        first, second, third = (np.concatenate(column) for column in zip(*parts, strict=True))
        two = _DIGIT[b[first - 2]]
        three = two & _DIGIT[b[first - 3]]
        good = np.ones(len(first), np.bool_)
        gap = second - first
        half = self._octet(first, two, three, good) * 256
        half += self._octet(second, gap > 2, gap > 3, good)
        # The /16 turns nearly all away before the rest is even looked at.
        good &= ranges.sixteen[half & 0xFFFF]
        ok = np.flatnonzero(good)
        start = (first - 1 - two - three)[ok]
        second, third, half = second[ok], third[ok], half[ok]
        two = _DIGIT[b[third + 2]]
        three = two & _DIGIT[b[third + 3]]
        end, gap = third + 2 + two + three, third - second
        before, after = b[start - 1], b[end]
        good = (_NAME_TABLE[before] == 0) | (before == 64)
        good &= (_NAME_TABLE[after] == 0) | ((after == 46) & ~_DIGIT[b[end + 1]])
        value = (half * 256 + self._octet(third, gap > 2, gap > 3, good)) * 256
        value += self._octet(end, two, three, good)
        ok = np.flatnonzero(good)
        ok = ok[ranges.hold(value[ok])]
        return start[ok], end[ok], value[ok]

    def _three_dots(self, low: int, high: int) -> tuple[Places, Places, Places]:
        """Three dots 1 to 3 bytes apart, a digit before the first and behind the last."""
        dots = np.flatnonzero(self.bytes[low:high] == 46) + low
        gap = np.diff(dots)
        fits = (gap >= 2) & (gap <= 4)
        quads = np.flatnonzero(fits[:-1] & fits[1:])
        quads = quads[_DIGIT[self.bytes[dots[quads] - 1]] & _DIGIT[self.bytes[dots[quads + 2] + 1]]]
        return dots[quads], dots[quads + 1], dots[quads + 2]

    def _octet(
        self, end: Places, two: NDArray[np.bool_], three: NDArray[np.bool_], good: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """Values of the 1 to 3 digits before `end`; `good` loses those that are none."""
        b, zero = self.bytes, np.uint8(48)
        ones, tens, hundreds = b[end - 1] - zero, b[end - 2] - zero, b[end - 3] - zero
        good &= ones < 10
        good &= ~two | ((tens < 10) & (three | (tens > 0)))
        good &= ~three | ((hundreds < 3) & (hundreds > 0))
        value = ones.astype(np.int64)
        value += tens.astype(np.int64) * two * 10
        value += hundreds.astype(np.int64) * three * 100
        good &= value <= 255
        return value

    def colon_groups(self) -> Places:
        """Places of colons that could lie in an IPv6 address: `::`, or six in close order."""
        return np.concatenate([self._colons(low, high) for low, high in self.slices()])

    def _colons(self, low: int, high: int) -> Places:
        b = self.bytes
        colons = np.flatnonzero(b[low:high] == 58) + low
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


def _missing(length: Places) -> Words:
    """Bits by which a word is shifted to keep its last `length` bytes only; 0 from 8 bytes on."""
    bits: Words = ((8 - np.minimum(length, 8)) * 8).astype(np.uint64)
    return bits


def _both(x: Words, y: Words, length: Places) -> Words:
    """Hash of the last `length` bytes, 16 at most, given the last 8 and the 8 before them."""
    # A shift by all 64 bits gives 0 in numpy, which is what a name of 8 bytes needs.
    before = _missing(np.maximum(length - 8, 0))
    n = np.minimum(length, 16).astype(np.uint64)
    result: Words = ((x >> _missing(length)) * K1) ^ ((y >> before) * K2 + n)
    return result


def _last_four(x: Words) -> Places:
    """16 bits of the last 4 bytes, folded: the key of the second filter."""
    return (((x >> _U(32)) * K1) >> _U(48)).astype(np.intp)


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
        x = chunk.words[ends - 8] | FOLD
        slot = (chunk.tails(starts, ends, x, self.seed) >> _U(64 - self.lg)).astype(np.intp)
        np.bitwise_or.at(self.bitmap, slot >> 3, (1 << (slot & 7)).astype(np.uint8))
        self._fill(np.unique(chunk.whole(starts, ends, self.seed)))
        if below:
            chunk, starts, ends = _laid_out(below)
            self.second = np.zeros(2**16, np.uint8)
            self.second[_last_four(chunk.words[ends - 8] | FOLD)] = 1

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
        parts = [self._first(chunk, low, high) for low, high in chunk.slices()]
        starts, ends = (np.concatenate(column) for column in zip(*parts, strict=True))
        behind, owner = chunk.cuts(starts, ends)
        long = np.flatnonzero(ends[owner] - behind >= self.shortest)
        behind, owner = behind[long], owner[long]
        s = np.concatenate((starts, behind))
        e = np.concatenate((ends, ends[owner]))
        run = np.concatenate((starts, starts[owner]))
        hashes = chunk.whole(s, e, self.seed)
        hit = self.known(hashes)
        return s[hit], e[hit], run[hit], hashes[hit]

    def _first(self, chunk: Chunk, low: int, high: int) -> tuple[Places, Places]:
        """Stage 1 and the second filter: the runs of a slice that may end in a needle."""
        starts, ends = chunk.runs(low, high, self.minlen)
        x = chunk.words[ends - 8] | FOLD
        slot = (chunk.tails(starts, ends, x, self.seed) >> _U(64 - self.lg)).astype(np.intp)
        passed = (self.bitmap[slot >> 3] >> (slot & 7).astype(np.uint8)) & np.uint8(1)
        if self.second is not None:
            passed |= self.second[_last_four(x)]
        kept = np.flatnonzero(passed)
        return starts[kept], ends[kept]


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
        self.low: NDArray[np.int64] = np.array([low for low, _ in merged], np.int64)
        self.high: NDArray[np.int64] = np.array([high for _, high in merged], np.int64)
        self.sixteen = np.zeros(2**16, np.bool_)
        for low, high in merged:
            self.sixteen[low >> 16 : (high >> 16) + 1] = True

    def hold(self, values: NDArray[np.int64]) -> Places:
        """Indexes of the values that lie in a range."""
        if not self.low.size:
            return np.zeros(0, np.intp)
        place = np.searchsorted(self.low, values, side="right") - 1
        inside: Places = np.flatnonzero((place >= 0) & (values <= self.high[place]))
        return inside
