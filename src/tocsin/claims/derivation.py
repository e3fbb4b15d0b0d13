"""Who is whose, and what comes from what: parties, copies, the roots a piece of evidence rests on.

A tie with a source joins both its ends. A tie without one is a word, and a word about oneself
lowers what one's own pieces count, and nobody else's (decisions/0072).

Roots are bits of an integer, so that long chains of copies stay cheap to compare.

Spec: claims.md §2.2.5, 2.2.6.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from tocsin.claims.kept import Kept
from tocsin.claims.model import KIND_CLASS, Evidence, Link

_UNLIMITED = 9  # above every class: a tip that is not held sets no cap


class Derivation:
    """Derivation among what is kept, each term computed once."""

    def __init__(self, kept: Kept, fallen: Collection[str] = frozenset()) -> None:
        """`fallen`: ids of ties that an undercut has dropped; they join nothing."""
        self._kept = kept
        self._fallen = fallen
        self._behind: dict[str, int] = {}
        self._sources: dict[str, tuple[str, ...]] = {}
        self._derived: dict[str, _Derived] = {}
        self._bits: dict[tuple[str, str], int] = {}

    def _binds(self, link: Link, end: str) -> bool:
        return link.id not in self._fallen and self._kept.binds(link, end)

    def _party_of(self, ref: str) -> Iterator[str]:
        """Who is one with this party or behind it, by sourced ties and by its own word."""
        for link in self._kept.controls(ref):
            if self._binds(link, ref):
                yield link.target if link.source == ref else link.source

    def _parties(self, ref: str) -> int:
        """The tokens, as bits, of this party and of all who are one with it or behind it."""
        if ref not in self._behind:
            for ring in _rings(ref, self._party_of, self._behind):
                mask = self._bit(("made-by", min(ring)))
                for one in ring:
                    for other in self._party_of(one):
                        mask |= self._behind.get(other, 0)
                self._behind.update(dict.fromkeys(ring, mask))
        return self._behind[ref]

    def _bit(self, token: tuple[str, str]) -> int:
        return 1 << self._bits.setdefault(token, len(self._bits))

    def sources(self, ref: str) -> tuple[str, ...]:
        """What a piece of evidence derives from, over ties that bind it; empty: it is no copy."""
        if ref not in self._sources:
            ties = self._kept.derived_out(ref)
            self._sources[ref] = tuple(
                sorted({link.target for link in ties if self._binds(link, ref)})
            )
        return self._sources[ref]

    def _copies(self, ref: str) -> Iterator[str]:
        """What only those who made a piece call copies of it: by their word the two are one root,
        and the other is no weaker for it.
        """
        for link in self._kept.only_said_by_the_original(ref):
            if link.id not in self._fallen:
                yield link.source

    def _closure(self, ref: str) -> _Derived:
        """Closure of a piece, as far as it matters: its tips, their cap, its roots."""
        if ref not in self._derived:
            for ring in _rings(ref, self.sources, self._derived):
                self._derive(ring)
        return self._derived[ref]

    def _derive(self, ring: Sequence[str]) -> None:
        below = {one for ref in ring for one in self.sources(ref)} - set(ring)
        under = [self._derived[ref] for ref in sorted(below)]
        is_tip = len(ring) == 1 and not self.sources(ring[0])
        if is_tip:
            tips: frozenset[str] = frozenset(ring)
        elif len(under) == 1:
            tips = under[0].tips  # shared, so that a long chain costs one set
        else:
            tips = frozenset().union(*(one.tips for one in under))
        cap = max((one.cap for one in under), default=0)
        roots = 0
        for one in under:
            roots |= one.roots
        for ref in ring:
            for token in self._made_of(ref):
                # An id that nobody else names tells nothing apart, and would make long integers.
                if token != ref or ref in self._kept.view.named:
                    roots |= self._bit(("made-of", token))
            piece = self._kept.evidence(ref)
            for producer in piece.x.producer_refs if piece is not None else ():
                roots |= self._parties(producer)
        if is_tip:
            tip = self._kept.evidence(ring[0])
            cap = _UNLIMITED if tip is None else KIND_CLASS.get(tip.x.kind, 0)
        derived = _Derived(tips, cap if tips else 0, roots, tuple(under))
        self._derived.update(dict.fromkeys(ring, derived))

    def _made_of(self, ref: str) -> Iterator[str]:
        yield ref
        one = self._kept.evidence(ref)
        if one is not None:
            yield one.origin
        yield from self._copies(ref)

    def own_class(self, one: Evidence) -> int:
        """The class of its kind (§2.1)."""
        return KIND_CLASS.get(one.x.kind, 0)

    def strength(self, one: Evidence) -> int:
        """Its class, and never more than that of what it derives from."""
        return min(self.own_class(one), self._closure(one.id).cap)

    def tips(self, ref: str) -> frozenset[str]:
        """The tips of a copy; none for a piece that derives from nothing."""
        return self._closure(ref).tips if self.sources(ref) else frozenset()

    def roots(self, ref: str) -> frozenset[str]:
        """Roots of a piece in words: "made-of ..." and "made-by ..."."""
        made_of = _reached([ref], self.sources)
        evidence = [one for of in made_of if (one := self._kept.evidence(of)) is not None]
        made_by = _reached((who for one in evidence for who in one.x.producer_refs), self._party_of)
        tokens = {token for of in made_of for token in self._made_of(of)}
        return frozenset(
            [f"made-of {token}" for token in tokens] + [f"made-by {who}" for who in made_by]
        )

    def lowest(self, refs: Iterable[str]) -> list[int]:
        """Roots, as bits, of those pieces that derive from none of the others: see `disjoint`.

        Whatever is disjoint from a piece is disjoint from all that it derives from, so the others
        need no look; without this a long chain of copies costs its square.
        """
        return _lowest(self._closure(ref) for ref in refs)


class _Derived(Struct, frozen=True):
    """Tips of a closure, the highest class among them, its roots as bits, and what is below."""

    tips: frozenset[str]
    cap: int
    roots: int
    under: tuple[_Derived, ...]


def _reached(start: Iterable[str], below: Callable[[str], Iterable[str]]) -> set[str]:
    seen = set(start)
    rest = list(seen)
    while rest:
        new = set(below(rest.pop())) - seen
        seen |= new
        rest += new
    return seen


def _rings(
    start: str, below: Callable[[str], Iterable[str]], done: Mapping[str, Any]
) -> Iterator[list[str]]:
    """Strongly connected parts reachable from `start`, what is derived from first (Tarjan).

    Without recursion: a chain of copies may be longer than Python's stack.
    """
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    work: list[tuple[str, Iterator[str]]] = []

    def enter(ref: str) -> None:
        number[ref] = low[ref] = len(number)
        stack.append(ref)
        on_stack.add(ref)
        work.append((ref, iter(below(ref))))

    enter(start)
    while work:
        ref, targets = work[-1]
        for target in targets:
            if target in done:
                continue
            if target not in number:
                enter(target)
                break
            if target in on_stack:
                low[ref] = min(low[ref], number[target])
        else:
            work.pop()
            if work:
                above = work[-1][0]
                low[above] = min(low[above], low[ref])
            if low[ref] == number[ref]:
                ring = []
                while True:
                    one = stack.pop()
                    on_stack.discard(one)
                    ring.append(one)
                    if one == ref:
                        break
                yield ring


def disjoint(some: Sequence[int], every: Sequence[int]) -> bool:
    """Whether one set of `some` shares nothing with one of `every`; sets are bits of an integer.

    Distinct sets only, and only of tokens that two of them have: a token of one set joins
    nothing. Then, per token, which sets have it: the union over a set's tokens is what it meets.
    """
    once = twice = 0
    for mask in {*some, *every}:
        twice |= once & mask
        once |= mask
    shared = {mask & twice for mask in every}
    asked = set()
    for mask in set(some):
        if not mask & twice and any(other != mask for other in every):
            return True
        asked.add(mask & twice)
    having: dict[int, int] = {}
    for number, mask in enumerate(shared):
        for bit in _bits_of(mask):
            having[bit] = having.get(bit, 0) | 1 << number
    everybody = (1 << len(shared)) - 1
    for mask in asked - {0}:
        met = 0
        for bit in _bits_of(mask):
            met |= having.get(bit, 0)
            if met == everybody:
                break
        else:
            return True
    return False


def independent(sets: Iterable[int]) -> int:
    """How many of these sets of roots share nothing with each other, at least.

    Those that meet the fewest others are taken first, so that a piece made by two laboratories
    together does not stand in the way of both. Exact for none, one, and two or more of them: the
    largest number of all would take time that doubles with every set.
    """
    distinct = list(dict.fromkeys(sets))
    having: dict[int, int] = {}
    for number, mask in enumerate(distinct):
        for bit in _bits_of(mask):
            having[bit] = having.get(bit, 0) | 1 << number
    meets = []
    for mask in distinct:
        met = 0
        for bit in _bits_of(mask):
            met |= having[bit]
        meets.append(met.bit_count())
    taken = count = 0
    # Of those that meet as many the earlier one: bits are numbered as they were met, ids are not.
    for number in sorted(range(len(distinct)), key=lambda n: (meets[n], n)):
        if not distinct[number] & taken:
            taken |= distinct[number]
            count += 1
    return count


def _lowest(pieces: Iterable[_Derived]) -> list[int]:
    """Roots of those that are below none of the others."""
    asked = {id(one): one for one in pieces}
    reaches: dict[int, bool] = {}
    for start in asked.values():
        work = [start]
        while work:
            one = work[-1]
            waiting = [u for u in one.under if id(u) not in reaches]
            if waiting:
                work += waiting
                continue
            work.pop()
            reaches[id(one)] = any(id(u) in asked or reaches[id(u)] for u in one.under)
    return [one.roots for key, one in asked.items() if not reaches[key]]


def _bits_of(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length()
        mask ^= low
