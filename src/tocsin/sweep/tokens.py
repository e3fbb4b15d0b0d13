"""Raw text against shared indicators: needles are built once, then any bytes are searched.

`Needles.build` normalises, sets aside what is seen everywhere or cannot be searched for, and
makes the tables; `Needles.find` runs the kernel over a block and lets the exact rules decide.
Pure: no files, no clock; the seed is an argument.

Spec: design/find.md §1.1 to §1.3.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from ipaddress import IPv4Address, ip_network
from typing import NamedTuple

import numpy as np
from msgspec import Struct

from tocsin.errors import IndicatorError
from tocsin.stix.values import settle
from tocsin.sweep import rules, warninglists
from tocsin.sweep.decode import decoded
from tocsin.sweep.forms import Anchors, Way, slow_keys, ways
from tocsin.sweep.kernel import FOLD, IS_NAME, PAD, Chunk, Places, Ranges, Tables, Words
from tocsin.sweep.six import Wanted

CHUNK = 1 << 21
"""Bytes the kernel takes at once; the later stages run once for each."""
MAX_SLOW = 1_000
"""Needles without a run of 4 name bytes; each costs a search of its own."""
SHORTEST_SLOW = 3
UNSWEPT = {
    "cve": "a flaw leaves no fixed text in logs",
    "attack-id": "a technique leaves no fixed text in logs",
    "cwe": "a weakness leaves no fixed text in logs",
    "ghsa": "a flaw leaves no fixed text in logs",
    "yara-rule": "the name of a rule stands in no log but its own",
}
HOT = 64
"""Finds of one anchor in one chunk from which on whole words are compared before Python looks."""


class Needle(Struct, frozen=True, kw_only=True):
    """One value to look for, and the indicator that says so."""

    kind: str
    value: str
    indicator: str
    """Id of the indicator, or the value itself where the source gives none."""
    valid_from: str | None = None
    valid_until: str | None = None


class Armed(Struct, frozen=True, kw_only=True):
    """A normal form that is searched for, and every needle that asks for it."""

    kind: str
    value: str
    needles: tuple[Needle, ...]


class Refused(Struct, frozen=True, kw_only=True):
    """A needle that is not searched for, and why."""

    needle: Needle
    reason: str


class Suppressed(Struct, frozen=True, kw_only=True):
    """A needle on a warninglist; armed none the less if `overridden`."""

    needle: Needle
    list: str
    overridden: bool = False


class Hit(Struct, frozen=True, kw_only=True):
    """One find. Its JSON is find.md §1.4; `offset` in bytes, `line` from 1."""

    path: str
    line: int
    offset: int
    indicator: str
    value: str
    matched: str
    rule: str


class Match(NamedTuple):
    """A find in a block: bytes `start:end`, the index of the armed value, the rule."""

    start: int
    end: int
    armed: int
    rule: str


class Needles:
    """Armed values and the tables that find them. Read-only once built: share between threads.

    Attributes:
        armed: the values in their normal form; a `Match` gives an index into them.
        looked_for: those of them that can be found at all.
        suppressed: what stands on a warninglist, overridden or not.
        refused: what has no normal form or cannot be searched for, with the reason.
    """

    def __init__(self, armed: Iterable[Armed], *, seed: int) -> None:
        self.armed = tuple(armed)
        self.suppressed: tuple[Suppressed, ...] = ()
        self.refused: tuple[Refused, ...] = ()
        self._names: dict[bytes, list[rules.Entry]] = {}
        self._slow: dict[bytes, list[rules.Entry]] = {}
        self._prefix4: dict[int, dict[int, list[int]]] = {}
        self._prefix6: dict[int, dict[int, list[int]]] = {}
        self._exact6: dict[int, list[int]] = {}
        self._below: set[bytes] = set()
        self._arm()
        self._tables = Tables(
            list(self._names),
            [key for key in self._below if len(key) < 8 or not key[-1:].isalpha()],
            seed=seed,
        )
        self._ranges = Ranges(
            [
                (net << (32 - length), ((net + 1) << (32 - length)) - 1)
                for length, nets in self._prefix4.items()
                for net in nets
            ]
        )
        four = [int(IPv4Address(one.value)) for one in self.armed if one.kind == "ipv4"]
        self._six = (
            Wanted(
                list(self._exact6),
                {length: list(nets) for length, nets in self._prefix6.items()},
                four,
                self._ranges,
            )
            if four or self._exact6 or self._prefix6 or self._prefix4
            else None
        )

    # --- building ---------------------------------------------------------------------------

    @classmethod
    def build(
        cls, needles: Iterable[Needle], *, seed: int, overrides: Collection[str] = ()
    ) -> Needles:
        """Arm every needle that can be searched for.

        Args:
            needles: values in any writing; each is brought to its normal form.
            seed: 64 random bits, new for every process.
            overrides: warninglists to ignore: `LIST`, or `LIST:VALUE` and `LIST:INDICATOR` for
                one needle only.
        """
        rows: dict[tuple[str, str], list[Needle]] = {}
        suppressed: list[Suppressed] = []
        refused: list[Refused] = []
        for needle in needles:
            try:
                kind, value = settle(needle.kind, needle.value)
            except IndicatorError as wrong:
                refused.append(Refused(needle=needle, reason=wrong.message))
                continue
            if kind in UNSWEPT:
                refused.append(Refused(needle=needle, reason=UNSWEPT[kind]))
                continue
            name = warninglists.listed(kind, value)
            if name is not None:
                ways_to_say = {name, *(f"{name}:{v}" for v in (value, needle.value))}
                ways_to_say.add(f"{name}:{needle.indicator}")
                overridden = not ways_to_say.isdisjoint(overrides)
                suppressed.append(Suppressed(needle=needle, list=name, overridden=overridden))
                if not overridden:
                    continue
            rows.setdefault((kind, value), []).append(needle)
        built = cls(
            (
                Armed(kind=kind, value=value, needles=tuple(dict.fromkeys(said)))
                for (kind, value), said in rows.items()
            ),
            seed=seed,
        )
        built.suppressed = tuple(suppressed)
        built.refused = (*refused, *built.refused)
        return built

    def _arm(self) -> None:
        """Put every armed value where it will be found; refuse what fits nowhere."""
        pending: list[tuple[int, Way]] = []
        for index, one in enumerate(self.armed):
            if one.kind in ("cidr", "ipv6"):
                self._arm_number(index, one)
            else:
                pending.extend((index, way) for way in ways(index, one.kind, one.value))
        anchors = Anchors(way for _, way in pending)
        lost: dict[int, str] = {}
        found = set(range(len(self.armed))) - {index for index, _ in pending}
        slow = 0
        for index, way in pending:
            anchor = anchors.choose(way)
            if anchor is not None:
                self._names.setdefault(anchor.key, []).append(anchor.entry)
                if anchor.below:
                    self._below.add(anchor.key)
                found.add(index)
                continue
            entry, keys = slow_keys(way)
            if min(map(len, keys)) < SHORTEST_SLOW:
                lost[index] = f"shorter than {SHORTEST_SLOW} bytes: it would be found everywhere"
            elif slow >= MAX_SLOW:
                lost[index] = f"no run of 4 name bytes, and {MAX_SLOW} such needles are armed"
            else:
                found.add(index)
                slow += 1
                for key in keys:
                    self._slow.setdefault(key, []).append(entry)
        self.looked_for = tuple(self.armed[index] for index in sorted(found))
        self.refused = tuple(
            Refused(needle=needle, reason=reason)
            for index, reason in lost.items()
            if index not in found
            for needle in self.armed[index].needles
        )

    def _arm_number(self, index: int, one: Armed) -> None:
        network = ip_network(one.value)
        if one.kind == "ipv6":
            self._exact6.setdefault(int(network.network_address), []).append(index)
            return
        table = self._prefix6 if network.version == 6 else self._prefix4
        width = network.max_prefixlen - network.prefixlen
        nets = table.setdefault(network.prefixlen, {})
        nets.setdefault(int(network.network_address) >> width, []).append(index)

    # --- finding ----------------------------------------------------------------------------

    def scan(
        self, block: bytes, base_offset: int = 0, *, path: str, line: int = 1, defang: bool = False
    ) -> list[Hit]:
        """All hits in a block that begins and ends at line ends, in order of offset, indicator.

        Args:
            block: text; the whole of a file, or a part of it cut at newlines.
            base_offset: where in the file it begins.
            path: what the hits are told to lie in.
            line: number of the block's first line.
            defang: also look for values written in a broken way.
        """
        hits = []
        counted = 0
        for match in self.find(block, defang=defang):
            line += block.count(b"\n", counted, match.start)
            counted = match.start
            matched = block[match.start : match.end].decode("utf-8", "backslashreplace")
            one = self.armed[match.armed]
            hits += [
                Hit(
                    path=path,
                    line=line,
                    offset=base_offset + match.start,
                    indicator=needle.indicator,
                    value=one.value,
                    matched=matched,
                    rule=match.rule,
                )
                for needle in one.needles
            ]
        hits.sort(key=lambda hit: (hit.offset, hit.indicator))
        return hits

    def find(self, text: bytes, *, defang: bool = False, in_json: bool = False) -> list[Match]:
        """All matches in a text, in order; where it is cut counts as the end of a line.

        `in_json`: it begins in the middle of a line that began like JSON.
        """
        found: list[Match] = []
        if self.armed:
            for low, high in _cuts(text):
                piece = text if high - low == len(text) else text[low:high]
                found += self._in_chunk(piece, low, defang, in_json and not low)
        found.sort()
        return found

    def _in_chunk(self, text: bytes, base: int, defang: bool, in_json: bool) -> Iterator[Match]:
        first = self._look(text)
        taken: dict[int, list[tuple[int, int]]] = {}
        for match in first:
            taken.setdefault(match.armed, []).append((match.start, match.end))
            yield match._replace(start=base + match.start, end=base + match.end)
        for way in ("json", "percent", "defang") if defang else ("json", "percent"):
            copy = decoded(way, text, in_json=in_json)
            if copy is None:
                continue
            for match in self._look(copy.text):
                start, end = int(copy.origin[match.start]), int(copy.origin[match.end])
                spans = taken.setdefault(match.armed, [])
                # No byte hits twice for one value: what was found plainly stands.
                if not any(low < end and start < high for low, high in spans):
                    spans.append((start, end))
                    yield Match(base + start, base + end, match.armed, f"{match.rule}+{way}")

    def _look(self, text: bytes) -> list[Match]:
        """One pass over one chunk, as it stands."""
        chunk = Chunk(text)
        found: dict[tuple[int, int, int], str] = {}
        if self._names:
            self._look_names(chunk, found)
        if self._prefix4:
            self._look_prefixes(chunk, found)
        if self._six is not None:
            self._look_ipv6(chunk, self._six, found)
        if self._slow:
            self._look_slow(chunk, found)
        return sorted(
            Match(start - PAD, end - PAD, armed, rule)
            for (start, end, armed), rule in found.items()
        )

    def _look_names(self, chunk: Chunk, found: dict[tuple[int, int, int], str]) -> None:
        starts, ends, runs, hashes = self._tables.candidates(chunk)
        if len(starts) >= HOT:
            kept = self._cooled(chunk, starts, ends, hashes)
            starts, ends, runs = starts[kept], ends[kept], runs[kept]
        raw = chunk.raw
        for start, end, run in zip(starts.tolist(), ends.tolist(), runs.tolist(), strict=True):
            for entry in self._names.get(raw[start:end].lower(), ()):
                judged = entry.judge(raw, start, end, run)
                if judged is not None:
                    found[judged.start, judged.end, entry.needle] = judged.rule

    def _cooled(self, chunk: Chunk, starts: Places, ends: Places, hashes: Words) -> Places:
        """Drop finds of a common anchor whose surroundings differ; all others stay."""
        kept = np.ones(len(starts), np.bool_)
        _, first, which, count = np.unique(
            hashes, return_index=True, return_inverse=True, return_counts=True
        )
        for place in np.flatnonzero(count >= HOT).tolist():
            one = int(first[place])
            entries = self._names.get(chunk.raw[int(starts[one]) : int(ends[one])].lower(), [])
            if not all(isinstance(entry, rules.Anchored) for entry in entries):
                continue
            here = np.flatnonzero(which == place)
            some = np.zeros(len(here), np.bool_)
            for entry in entries[:HOT]:
                assert isinstance(entry, rules.Anchored)
                fits = np.ones(len(here), np.bool_)
                for offset, word in entry.words():
                    fits &= (chunk.words[starts[here] + offset] | FOLD) == np.uint64(word)
                some |= fits
            if len(entries) <= HOT:
                kept[here] = some
        return np.flatnonzero(kept)

    def _look_prefixes(self, chunk: Chunk, found: dict[tuple[int, int, int], str]) -> None:
        quads = chunk.dotted_quads(self._ranges)
        for start, end, value in zip(*(column.tolist() for column in quads), strict=True):
            if (
                rules.ends_name(chunk.raw, end)
                and not rules.joined_before(chunk.raw, start)
                and not (chunk.raw[start - 1] == 58 and rules.span6(chunk.raw, start - 1))
            ):
                for index in _covering(self._prefix4, value, 32):
                    found[start, end, index] = "cidr"

    def _look_ipv6(self, chunk: Chunk, six: Wanted, found: dict[tuple[int, int, int], str]) -> None:
        for colon in six.spans(chunk).tolist():
            span = rules.span6(chunk.raw, colon)
            if span is None:
                continue
            rule = "host" if span.host else "exact"
            address = rules.mapped(span.value)
            if address is None:
                for index in self._exact6.get(span.value, ()):
                    found[span.start, span.end, index] = rule
                for index in _covering(self._prefix6, span.value, 128):
                    found[span.start, span.end, index] = "cidr"
                continue
            for entry in self._names.get(str(address).encode(), ()):
                if isinstance(entry, rules.Address):
                    found[span.start, span.end, entry.needle] = rule
            for index in _covering(self._prefix4, int(address), 32):
                found[span.start, span.end, index] = "cidr"

    def _look_slow(self, chunk: Chunk, found: dict[tuple[int, int, int], str]) -> None:
        raw = chunk.raw
        folded = raw.lower()
        for key, entries in self._slow.items():
            start = folded.find(key)
            while start >= 0:
                end, run = start + len(key), start
                while IS_NAME[raw[run - 1]] and start - run < 512:
                    run -= 1
                for entry in entries:
                    if isinstance(entry, rules.Domain | rules.Whole) and not rules.ends_name(
                        raw, end
                    ):
                        continue
                    judged = entry.judge(raw, start, end, run)
                    if judged is not None:
                        found[judged.start, judged.end, entry.needle] = judged.rule
                start = folded.find(key, start + 1)


def _covering(table: dict[int, dict[int, list[int]]], value: int, width: int) -> Iterator[int]:
    """Indexes of the prefixes that an address lies in."""
    for length, nets in table.items():
        yield from nets.get(value >> (width - length), ())


def _cuts(text: bytes) -> Iterator[tuple[int, int]]:
    """Pieces of about `CHUNK` bytes, cut at newlines."""
    start, end = 0, len(text)
    while start < end:
        stop = start + CHUNK
        if stop >= end:
            stop = end
        else:
            cut = text.rfind(b"\n", start, stop) + 1
            if cut <= start:
                cut = text.find(b"\n", stop) + 1 or end
            stop = cut
        yield start, stop
        start = stop
