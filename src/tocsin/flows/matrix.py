"""The claims of a case by its parties: no cell is blank.

Spec: claims.md §2.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

from tocsin.claims.model import Challenge, Claim
from tocsin.claims.standing import Standing
from tocsin.flows.grounds import grounds
from tocsin.flows.held import Library
from tocsin.flows.known import Known, dated, known, party_name
from tocsin.flows.positions import challenge_position, claim_position
from tocsin.flows.weigh import row
from tocsin.flows.weighed import Cell, Ground, Matrix, MatrixRow, Name, Position
from tocsin.policy import Reader


def matrix(
    node: Library, reader: Reader, case: str, parties: Iterable[str], asked: Mapping[str, str]
) -> Matrix:
    """Claims of a case by its parties.

    Args:
        parties: columns, in the order in which they came to the case.
        asked: party → when it was asked to the case and has not answered.
    """
    now = known(node, reader, case)
    columns = tuple(party_name(node, party) for party in parties)
    rows = []
    for claim in sorted(now.view.claims.values(), key=lambda c: (dated(c.x.asserted_at), c.id)):
        computed = now.standing(claim.id)
        pieces = grounds(now, claim.id, computed)
        cells = tuple(_cell(now, claim, computed, pieces, column, asked) for column in columns)
        rows.append(MatrixRow(claim=row(now, claim, computed), cells=cells))
    return Matrix(parties=columns, rows=tuple(rows))


def _cell(
    now: Known,
    claim: Claim,
    computed: Standing,
    pieces: Iterable[Ground],
    column: Name,
    asked: Mapping[str, str],
) -> Cell:
    """What a party says of a claim, else which of its grounds (`pieces`) it made."""
    position = _said_by(now, claim, computed, column)
    if position is not None:
        return _of_position(position, column)
    made = [
        (one, ground)
        for ground in pieces
        if (one := now.view.evidence.get(ground.id)) is not None
        and column.id in one.x.producer_refs
    ]
    if made:
        withheld = all(ground.access in ("withheld", "none") for _, ground in made)
        return Cell(
            word="withheld" if withheld else "gives grounds",
            confidence=None,
            grounds=len(made),
            signed=any(one.publisher == column.id for one, _ in made),
            at=made[0][1].published,
            position=None,
        )
    when = asked.get(column.party or "")
    return Cell(
        word=f"asked ({when[:10]})" if when else "no statement",
        confidence=None,
        grounds=0,
        signed=None,
        at=when,
        position=None,
    )


def _said_by(now: Known, claim: Claim, computed: Standing, column: Name) -> Position | None:
    """What a party says of a claim: the claim, else its last challenge, else its last answer.

    Its own word first; then what somebody says for it, which its own may well contradict.
    """
    for whose in ("speaker_ref", "speaks_for_ref"):
        its = partial(_is_of, column.id, whose)
        if its(claim):
            return claim_position(now, claim, computed=computed)
        challenges = [one for one in now.challenges_on(claim.id) if its(one)]
        if challenges:
            return challenge_position(now, max(challenges, key=_last), computed)
        replies = [one for one, _ in now.answers_to(claim.id) if its(one)]
        if replies:
            return claim_position(now, max(replies, key=_last))
    return None


def _is_of(identity: str, whose: str, one: Claim | Challenge) -> bool:
    return bool(getattr(one.x, whose) == identity)


def _last(one: Claim | Challenge) -> tuple[object, ...]:
    return one.known, one.id


def _of_position(p: Position, column: Name) -> Cell:
    return Cell(
        through=p.speaker if p.speaker and p.speaker.id != column.id else None,
        word=p.word,
        confidence=p.confidence,
        grounds=len(p.grounds),
        signed=p.signed,
        at=p.said_at,
        position=p.id,
        asked=p.asked,
    )
