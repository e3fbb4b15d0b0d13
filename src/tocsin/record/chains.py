"""The chains that dossiers show, over all files together: gaps, forks, what is withheld.

Spec: record.md, "Statement" (`seq`, `prev`) and "Dossier"; decisions/0021 for the key chain.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from itertools import chain, islice

from tocsin.record.admission import equivocates
from tocsin.record.envelope import Verified
from tocsin.record.members import Problem, Row
from tocsin.record.statement import KEY_CHAIN
from tocsin.record.verdict import LISTED, ChainVerdict


def judge_chains(
    rows: Iterable[Row], free: dict[str, int], problems: list[Problem]
) -> list[ChainVerdict]:
    """The chains of these statements, by author and name; gaps and forks go to `problems`.

    Args:
        rows: of all files, with a signature that verified.
        free: id → log index of what is proven and not shown. Emptied as far as it explains gaps.
        problems: added to.
    """
    held: dict[tuple[str, str], dict[int, dict[str, Row]]] = {}
    for row in rows:
        s = row.statement
        held.setdefault((s.author, s.chain), {}).setdefault(s.seq, {})[row.id] = row
    chains = [_Chain(author, name, seqs) for (author, name), seqs in sorted(held.items())]
    gaps = [gap for one in chains for gap in one.gaps(free)]
    # A gap's last place is known by the `prev` after it; the others take withheld ids that lie
    # between in the log, the tightest gap first, so that as many as can be are explained.
    places = sorted(free.values())
    for gap in sorted(gaps, key=lambda gap: gap.end):
        gap.fill(places)
    for each in chains:
        each.judge(problems)
    return [each.verdict() for each in chains]


class _Gap:
    """Places of a chain that no held statement fills."""

    def __init__(self, seqs: range, start: int, end: int, linked: bool) -> None:
        self.seqs = seqs[:-1] if linked else seqs
        """Neither shown nor withheld. A range: a number somebody signed may be any."""
        self.start = start
        """Log index of the statement before; -1 at the chain's beginning."""
        self.end = end
        """Log index of the next known statement, withheld or held."""
        self.withheld = [seqs[-1]] if linked else []

    def fill(self, places: list[int]) -> None:
        """Take the lowest of the free places, sorted, that lie between: one for each number."""
        if not self.withheld:
            return
        low = bisect_right(places, self.start)
        high = min(bisect_left(places, self.end), low + len(self.seqs))
        if high > low:
            del places[low:high]
            kept = len(self.seqs) - (high - low)
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

    def gaps(self, free: dict[str, int]) -> list[_Gap]:
        """Where statements are not shown. Withheld ids named by a `prev` are taken from `free`.

        Key statements are CLEAR: nobody has a reason to withhold one, and a revocation that
        passed as withheld would be a revocation hidden. Their gaps stay gaps.
        """
        expected, start = 1, -1
        if self.name == KEY_CHAIN:
            free = {}
        for seq in sorted(self.seqs):
            row = next(iter(self.seqs[seq].values()))
            if seq > expected:
                linked = free.pop(row.statement.prev, None)
                self._gaps.append(
                    _Gap(
                        range(expected, seq),
                        start,
                        row.index if linked is None else linked,
                        linked is not None,
                    )
                )
            expected, start = seq + 1, row.index
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
