"""The chains that dossiers show, over all files together: gaps, forks, what is withheld.

Spec: record.md, "Statement" (`seq`, `prev`) and "Dossier"; decisions/0021 for the key chain.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from itertools import chain, islice
from operator import itemgetter

from tocsin.record.admission import equivocates
from tocsin.record.envelope import Verified, sealed_entry
from tocsin.record.members import Problem, Row
from tocsin.record.statement import KEY_CHAIN
from tocsin.record.verdict import LISTED, ChainVerdict

Places = Mapping[str, Mapping[str, int]]
"""Statement id → log → its index there."""


def judge_chains(
    rows: Iterable[Row], places: Places, hidden: Iterable[str], problems: list[Problem]
) -> list[ChainVerdict]:
    """The chains of these statements, by author and name; gaps and forks go to `problems`.

    Args:
        rows: of all files, with a signature that verified.
        places: of everything that is proven, shown or not.
        hidden: ids that are proven and shown in no file: they explain gaps. Of a sealed statement
            it is its entry.
        problems: added to.
    """
    held: dict[tuple[str, str], dict[int, dict[str, Row]]] = {}
    for row in rows:
        s = row.statement
        held.setdefault((s.author, s.chain), {}).setdefault(s.seq, {})[row.id] = row
    free = _Free(places, hidden)
    chains = [_Chain(author, name, seqs) for (author, name), seqs in sorted(held.items())]
    gaps = [gap for one in chains for gap in one.gaps(free)]
    # A gap's last place is known by the `prev` after it; the others take withheld ids that lie
    # between in that log, the tightest gap first, so that as many as can be are explained.
    for gap in sorted(gaps, key=lambda gap: (gap.log, gap.end)):
        gap.fill(free)
    for each in chains:
        each.judge(problems)
    return [each.verdict() for each in chains]


class _Free:
    """Withheld ids that explain no gap yet."""

    def __init__(self, places: Places, hidden: Iterable[str]) -> None:
        self.places = places
        self._ids = set(hidden)
        self._by_log: dict[str, list[tuple[int, str]]] = {}

    def take(self, author: str, id: str) -> tuple[str, int] | None:
        """The place of the statement of this id by this author, in plain or as it sealed it.

        It is no longer free then; None where it is not.
        """
        for entry in (id, sealed_entry(author, bytes.fromhex(id)).hex()):
            if entry in self._ids:
                self._ids.remove(entry)
                return next(iter(self.places[entry].items()))
        return None

    def between(self, log: str, start: int, end: int, count: int) -> int:
        """Take at most `count` of those in one log between two places, the lowest first."""
        if not self._by_log:
            for id in self._ids:
                for name, index in self.places[id].items():
                    self._by_log.setdefault(name, []).append((index, id))
            for listed in self._by_log.values():
                listed.sort()
        rows = self._by_log.get(log, [])
        low = bisect_right(rows, start, key=itemgetter(0))
        high = bisect_left(rows, end, key=itemgetter(0))
        # One that is in two logs may have been taken in the other.
        left = [row for row in rows[low:high] if row[1] in self._ids]
        self._ids.difference_update(id for _, id in left[:count])
        rows[low:high] = left[count:]
        return min(count, len(left))


class _Gap:
    """Places of a chain that no held statement fills."""

    def __init__(self, seqs: range, linked: tuple[str, int] | None, start: int) -> None:
        self.seqs = seqs[:-1] if linked else seqs
        """Neither shown nor withheld. A range: a number somebody signed may be any."""
        self.withheld = [seqs[-1]] if linked else []
        self.log, self.end = linked or ("", 0)
        """Where the last of the gap is, which the `prev` after it names."""
        self.start = start
        """Index of the statement before in that log; -1 where it is not in it."""

    def fill(self, free: _Free) -> None:
        """Take free places that lie between: one for each number."""
        if self.withheld and self.seqs:
            kept = len(self.seqs) - free.between(self.log, self.start, self.end, len(self.seqs))
            self.withheld += self.seqs[kept:]
            self.seqs = self.seqs[:kept]


class _Chain:
    """One author's statements in one case, or its directory, key and revoke statements."""

    def __init__(self, author: str, name: str, seqs: Mapping[int, dict[str, Row]]) -> None:
        self.author = author
        self.name = name
        """The case, `KEY_CHAIN`, or "" for the open chain."""
        self.seqs = seqs
        self._gaps: list[_Gap] = []

    def gaps(self, free: _Free) -> list[_Gap]:
        """Where statements are not shown. Withheld ids named by a `prev` are taken from `free`.

        Key statements are CLEAR: nobody has a reason to withhold one, and a revocation that
        passed as withheld would be a revocation hidden. Their gaps stay gaps.
        """
        expected, before = 1, ""
        for seq in sorted(self.seqs):
            row = next(iter(self.seqs[seq].values()))
            if seq > expected:
                linked = (
                    None if self.name == KEY_CHAIN else free.take(self.author, row.statement.prev)
                )
                start = -1 if linked is None else free.places.get(before, {}).get(linked[0], -1)
                self._gaps.append(_Gap(range(expected, seq), linked, start))
            expected, before = seq + 1, row.id
        return self._gaps

    def judge(self, problems: list[Problem]) -> None:
        where = f"chain of {self.author}" + (f" in {self.name}" if self.name else "")
        if self.name == KEY_CHAIN:
            where = f"key chain of {self.author}"
        for gap in self._gaps:
            if gap.seqs:
                problems.append(
                    Problem(
                        code="chain-gap",
                        where=where,
                        detail="neither shown nor withheld: number "
                        + ", ".join(str(seq) for seq in gap.seqs[:20])
                        + (f" … {gap.seqs[-1]}" if len(gap.seqs) > 20 else ""),
                        remedy=f"ask {self.author} or another member for what is missing",
                    )
                )
        for seq, ids in sorted(self.seqs.items()):
            if self._twice(ids):
                problems.append(
                    Problem(
                        code="chain-fork",
                        where=where,
                        detail=f"{len(ids)} statements with number {seq}: "
                        + ", ".join(sorted(ids)),
                        remedy=f"keep both: they prove that {self.author} signed two; choose none",
                    )
                )
            before = self.seqs.get(seq - 1)
            for row in ids.values():
                if before is not None and row.statement.prev not in before:
                    problems.append(
                        Problem(
                            code="chain-fork",
                            where=where,
                            detail=f"number {seq} follows {row.statement.prev}, which is not the "
                            f"number {seq - 1} shown here",
                            remedy=f"ask {self.author} for {row.statement.prev}",
                        )
                    )

    def _twice(self, ids: Mapping[str, Row]) -> bool:
        if len(ids) == 1:
            return False
        rows = [Verified(id=r.id, raw=r.raw, statement=r.statement) for r in ids.values()]
        return any(equivocates(rows[0], other) for other in rows[1:])

    def verdict(self) -> ChainVerdict:
        last = max(self.seqs)
        return ChainVerdict(
            author=self.author,
            keys=self.name == KEY_CHAIN,
            first=min(self.seqs),
            last=last,
            head=min(self.seqs[last]),
            withheld=sorted(seq for gap in self._gaps for seq in gap.withheld),
            missing=list(islice(chain.from_iterable(gap.seqs for gap in self._gaps), LISTED)),
            equivocates=any(self._twice(ids) for ids in self.seqs.values()),
        )
