"""Which statements of a case count, and in which order: from chains, answers and the log.

Where neither a chain nor an answer decides, the place in the log does; an author's own time only
where no place is known. Otherwise whoever writes an early date owns what others began: a case, an
advisory, a hold. Nothing depends on the order in which statements arrive here.

Spec: respond.md §1, rules 1-4; decisions/0018.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from msgspec import Struct, structs

from tocsin.cases.events import is_digest
from tocsin.cases.model import Equivocation, Said, WaitingFor
from tocsin.claims.times import instant

_UNLOGGED = 1 << 62
"""Behind everything that is in the log."""


class Ordered(Struct, frozen=True, kw_only=True):
    """Statements to apply one after the other, and what cannot be applied."""

    order: tuple[Said, ...]
    waiting: tuple[WaitingFor, ...]
    equivocations: tuple[Equivocation, ...]
    times: Mapping[str, datetime]
    """Statement id -> the time its author says."""


def ordered(statements: Iterable[Said], withheld: Collection[tuple[str, int]]) -> Ordered:
    """The statements that count, in the order to apply them: the same whatever order they came in.

    Args:
        statements: what the reader may read of one case.
        withheld: (author, seq) of statements that exist and that this reader may not read.
    """
    held, equivocations = _once(statements)
    held = _resaid(held)
    times = {ref: instant(said.time) for ref, said in held.items()}
    order, waiting = _order(held, times, frozenset(withheld))
    return Ordered(
        order=tuple(order),
        waiting=tuple(waiting),
        equivocations=tuple(equivocations),
        times=times,
    )


def _once(statements: Iterable[Said]) -> tuple[dict[str, Said], list[Equivocation]]:
    """Every statement once, and none of those by which an author contradicts its own chain."""
    held = {said.id: said for said in statements}
    places: dict[tuple[str, int], list[str]] = {}
    for said in held.values():
        places.setdefault((said.author, said.seq), []).append(said.id)
    doubled = []
    for (author, seq), ids in sorted(places.items()):
        if len(ids) > 1:
            doubled.append(Equivocation(author=author, seq=seq, ids=tuple(sorted(ids))))
            for ref in ids:
                del held[ref]
    return held, doubled


def _resaid(held: Mapping[str, Said]) -> dict[str, Said]:
    """Answers to a statement that this reader has only as said again to a wider circle.

    Whoever says an act again names the first one in `refs`; what answers the first one answers it.
    """
    again = {
        ref: said.id
        for said in sorted(held.values(), key=lambda s: s.id)
        if said.kind == "act" and "re" not in said.body
        for ref in said.refs
        if ref not in held
    }
    found = {}
    for ref, said in held.items():
        answered = said.body.get("re")
        if ref not in again.values() and again.keys() & {answered, *said.refs}:
            body = {**said.body, "re": again.get(answered, answered)} if answered else said.body
            refs = tuple(again.get(r, r) for r in said.refs)
            found[ref] = structs.replace(said, body=body, refs=refs)
        else:
            found[ref] = said
    return found


def answers(said: Said) -> tuple[str, ...]:
    """Ids of the statements that have to come first: what it answers."""
    if said.kind == "cosign":
        return said.refs
    re = said.body.get("re")
    # What is no statement id cannot come: the event is void at once instead of waiting for ever.
    return (re,) if isinstance(re, str) and is_digest(re) else ()


def _order(
    held: Mapping[str, Said],
    times: Mapping[str, datetime],
    withheld: frozenset[tuple[str, int]],
) -> tuple[list[Said], list[WaitingFor]]:
    """Topological by chain and `re`, ties by (time, id); and what waits, with what it waits for."""
    missing: dict[str, list[str]] = {}
    before: dict[str, set[str]] = {ref: set() for ref in held}
    gap: dict[str, int] = {}
    last: dict[str, tuple[int, str | None]] = {}
    for said in sorted(held.values(), key=lambda s: (s.author, s.seq)):
        seq, earlier = last.get(said.author, (0, None))
        for between in range(seq + 1, said.seq):
            if (said.author, between) not in withheld:
                gap.setdefault(said.author, between)
                break
        if said.author in gap:
            missing.setdefault(said.id, []).append(f"{said.author} {gap[said.author]}")
        if earlier is not None:
            before[said.id].add(earlier)
        last[said.author] = (said.seq, said.id)
        for ref in answers(said):
            if ref in held:
                before[said.id].add(ref)
            else:
                missing.setdefault(said.id, []).append(ref)
        if said.kind == "withdraw":
            before[said.id] |= {ref for ref in said.refs if ref in held}
    after: dict[str, list[str]] = {}
    for ref, earliers in before.items():
        for one in earliers:
            after.setdefault(one, []).append(ref)
    open_ends = {ref: len(earliers) for ref, earliers in before.items()}

    def place(ref: str) -> tuple[int, datetime, str]:
        index = held[ref].index
        return (_UNLOGGED if index is None else index, times[ref], ref)

    ready = [place(r) for r, n in open_ends.items() if not n and r not in missing]
    heapq.heapify(ready)
    order: list[Said] = []
    while ready:
        *_, ref = heapq.heappop(ready)
        order.append(held[ref])
        for one in after.get(ref, ()):
            open_ends[one] -= 1
            if not open_ends[one] and one not in missing:
                heapq.heappush(ready, place(one))
    done = {said.id for said in order}
    waiting = [
        waits(said, tuple(missing.get(ref) or sorted(before[ref] - done)))
        for ref, said in held.items()
        if ref not in done
    ]
    return order, waiting


def waits(said: Said, for_: tuple[str, ...]) -> WaitingFor:
    """A statement that cannot be applied yet, with what it waits for."""
    return WaitingFor(id=said.id, for_=for_, author=said.author, event=event_of(said))


def event_of(said: Said) -> str:
    """The name of its event; for what is no event of a case, the kind of statement."""
    event = said.body.get("event")
    return event if said.kind in ("act", "ack") and isinstance(event, str) else said.kind
