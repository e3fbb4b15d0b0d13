"""Who holds a statement: to whom it went, who was told that it is taken back, and what they did.

Spec: exchange.md §5, "Withdrawals and narrowings", "Who still holds it".
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tocsin.errors import ConflictError
from tocsin.flows import intake
from tocsin.flows.homes import host_of, peers_of
from tocsin.flows.neighbours import state_of
from tocsin.flows.node import Node
from tocsin.flows.pages import passed_over
from tocsin.policy import TLP_ORDER, Reader, Tlp
from tocsin.record.envelope import sealed_entry
from tocsin.record.statement import Statement, read_time
from tocsin.store.interface import stays_on_record

TOLD = "withdrawal"
"""Local rows: what came of each withdrawal that this node knows; from acks, so recomputable."""
HEARD = "heard"
"""Local row: the log index up to which `follow_up` has been."""
MAX_ACKS = 8
"""Of one party to one withdrawal; it has nothing new to say after that."""
SILENT_AFTER = timedelta(days=1)


class Acked(Struct, frozen=True, kw_only=True):
    """One node's answer to a withdrawal."""

    party: str
    effect: str
    """removed, kept-as-record, not-held or refused."""
    time: str
    told: int = 0
    """To how many it had passed the thing on."""
    acknowledged: int = 0
    """How many of these have answered."""
    said: int = 1
    """How many times it has answered, as far as that is counted."""


class Told(Struct, frozen=True, kw_only=True):
    """What this node knows of one withdrawal."""

    acks: tuple[Acked, ...] = ()
    """By party."""
    onward: tuple[str, ...] = ()
    """Peers to which this node gave what is withdrawn."""
    answered: int = -1
    """How many of these had answered when this node last acknowledged; -1: it has not."""


class Holder(Struct, frozen=True, kw_only=True):
    """One party that was given a statement of this reader's."""

    party: str
    node: str
    """The party at whose node it is at home."""
    statement: str
    """By which it was given."""
    received: str
    """When that node said it has it; "": it has not said so."""
    state: str
    """not yet, holds, told, removed, kept-as-record, not-held, refused, silent, unreachable."""
    since: str
    """Of the state."""


# --- answering --------------------------------------------------------------------------------


def follow_up(node: Node, tellers: Mapping[str, str]) -> None:
    """See to what follows from what has come in since the last time: withdrawals are answered.

    How far it got is kept, so that a kill in between leaves no withdrawal without an answer. One
    thread at a time.

    Args:
        tellers: withdrawal → the peer that brought it, where that is known.

    Raises:
        TocsinError: this node says nothing now; the next time goes on here.
    """
    row = node.store.local(HEARD, HEARD)
    after = int(row.value) if row else -1
    head = node.store.head()
    if head is None or head.size - 1 <= after:
        return
    everything = node.everything()
    for kept in node.store.statements(everything, kind="ack", after_index=after):
        _acknowledged(node, intake.parse_kept(kept))
    for kept in node.store.statements(everything, kind="withdraw", after_index=after):
        if host_of(node.directory, kept.author) != node.party and _told(node, kept.id).answered < 0:
            _heard(node, kept.id, intake.parse_kept(kept), tellers.get(kept.id, ""))
    value = str(head.size - 1).encode()
    with contextlib.suppress(ConflictError):
        node.store.keep_local(HEARD, HEARD, value, row.version if row else None)


def _heard(node: Node, id: str, s: Statement, peer: str) -> None:
    peer = peer or next((g.peer for g in node.store.given(id) if g.came), "")
    onward = {
        given.peer
        for held in _own_of(node, s)
        for given in node.store.given(held)
        if not given.came
        and not passed_over(node, given.peer, held)
        and given.peer not in (peer, host_of(node.directory, s.author))
    }
    _change(node, id, onward=tuple(sorted(onward)))
    _answer(node, id, s, peer)


def _own_of(node: Node, s: Statement) -> list[str]:
    """What a withdrawal names of its own author's, as the store holds it.

    To whom another's words went, and that they are here, is not told to whoever names them.
    """
    everything = node.everything()
    plain = (node.store.statement(ref, everything) for ref in s.refs)
    own = [kept.id for kept in plain if kept is not None and kept.author == s.author]
    return own + [_sealed(s.author, ref) for ref in s.refs]


def _acknowledged(node: Node, ack: Statement) -> None:
    effect = ack.body.get("effect")
    onward = ack.body.get("onward")
    counts = onward if isinstance(onward, dict) else {}
    for ref in ack.refs:
        kept = node.store.statement(ref, node.everything())
        if kept is None or kept.kind != "withdraw" or not isinstance(effect, str):
            continue
        one = Acked(
            party=ack.author,
            effect=effect[:40],
            time=ack.time,
            told=_count(counts.get("told")),
            acknowledged=_count(counts.get("acknowledged")),
        )
        told = _told(node, ref)
        acks = {a.party: a for a in told.acks}
        said = acks[one.party].said if one.party in acks else 0
        if said >= MAX_ACKS:
            continue
        acks[one.party] = replace(one, said=said + 1)
        _change(node, ref, acks=tuple(acks[party] for party in sorted(acks)))
        told = _told(node, ref)
        # Once more, when everybody to whom this node had passed it on has answered.
        if 0 <= told.answered < len(told.onward) == len(_answered(told)):
            _answer(node, ref, intake.parse_kept(kept), "")


def _count(value: object) -> int:
    return value if type(value) is int and 0 <= value < 1 << 32 else 0


def _answered(told: Told) -> set[str]:
    return {a.party for a in told.acks} & set(told.onward)


def _answer(node: Node, id: str, s: Statement, peer: str) -> None:
    """Say what this node did about a withdrawal, to its author and to who told it."""
    if node.party not in node.signers:
        return
    told = _told(node, id)
    answered = len(_answered(told))
    tlp: Tlp = max("AMBER+STRICT", s.tlp, key=TLP_ORDER.index)
    waiting = intake.begin(
        node,
        intake.Act(
            author=node.party,
            kind="ack",
            tlp=tlp,
            body={
                "heads": [{"author": s.author, "seq": s.seq, "head": id}],
                "effect": _effect(node, s),
                "onward": {"told": len(told.onward), "acknowledged": answered},
            },
            refs=(id,),
            to=tuple({s.author, *([peer] if peer and peer != node.party else [])}),
        ),
    )
    waiting.logged()  # and not for a quorum: there may be many
    _change(node, id, answered=answered)


def _effect(node: Node, s: Statement) -> str:
    everything = node.everything()
    held = [kept for ref in s.refs if (kept := node.store.statement(ref, everything))]
    sealed = [ref for ref in s.refs if node.store.sealed(_sealed(s.author, ref), everything)]
    own = [kept for kept in held if kept.author == s.author]
    if not own and not sealed:
        return "not-held"
    for kept in own:
        for ref in intake.parse_kept(kept).objects:
            found = node.store.object(ref.sha256, everything)
            if found is not None and found.withdrawn and stays_on_record(found):
                return "kept-as-record"
    return "removed"


def _sealed(author: str, id: str) -> str:
    """As what a store holds the statement of this id, if `author` has sealed it."""
    return sealed_entry(author, bytes.fromhex(id)).hex()


def _told(node: Node, id: str) -> Told:
    row = node.store.local(TOLD, id)
    return msgspec.json.decode(row.value, type=Told) if row else Told()


def _change(node: Node, id: str, **changed: Any) -> None:
    for _ in range(8):
        row = node.store.local(TOLD, id)
        before = msgspec.json.decode(row.value, type=Told) if row else Told()
        after = replace(before, **changed)
        try:
            node.store.keep_local(
                TOLD, id, msgspec.json.encode(after), row.version if row else None
            )
        except ConflictError:
            continue
        return


# --- asking -----------------------------------------------------------------------------------


def holders(node: Node, reader: Reader, id: str) -> list[Holder]:
    """To whom what `reader`'s party said went, and what became of it there.

    Args:
        id: a statement, an object's SHA-256, or a STIX id.

    Raises:
        NotFoundError: no such, or not said by the reader's party: who got it is its author's to
            know.
    """
    own = _own(node, reader, id)
    if not own:
        raise intake.not_found(f"statement or object {id} of yours")
    peers = peers_of(node.directory, node.party)
    found: list[Holder] = []
    for held, statement in own:
        withdrawals = _withdrawals(node, reader, statement)
        for given in node.store.given(held):
            if passed_over(node, given.peer, held):
                continue
            peer = peers.get(given.peer)
            state, since = _state(node, given.peer, given.at, withdrawals)
            for party in peer.home if peer is not None else (given.peer,):
                if party == reader.party or not _may(node, party, held):
                    continue
                found.append(
                    Holder(
                        party=party,
                        node=given.peer,
                        statement=statement,
                        received=given.at,
                        state=state,
                        since=since,
                    )
                )
    return sorted(found, key=lambda one: (one.party, one.statement))


def _own(node: Node, reader: Reader, id: str) -> list[tuple[str, str]]:
    """The reader's own statements: as what the store holds each, and its id."""
    allowed = node.allowed(reader)
    said = {
        (held.id if held.what == "statement" else saying.statement, saying.statement)
        for held in node.store.holdings(id, allowed)
        for saying in held.said_by
        if saying.author == reader.party
    }
    sealed = intake.sealed_as(node, allowed, id)
    said |= {(row.id, row.inside) for row in sealed if row.author == reader.party}
    return sorted(said)


def _may(node: Node, party: str, statement: str) -> bool:
    """Whether `party` is one of those for whom the node there was given the statement."""
    if node.directory.party(party) is None:
        return True
    allowed = node.allowed(node.reader(party))
    return bool(node.store.holdings(statement, allowed))


def _withdrawals(node: Node, reader: Reader, statement: str) -> list[str]:
    return [
        kept.id
        for kept in node.store.statements(
            node.allowed(reader), author=reader.party, kind="withdraw"
        )
        if statement in intake.parse_kept(kept).refs
    ]


def _state(node: Node, peer: str, received: str, withdrawals: Sequence[str]) -> tuple[str, str]:
    now = node.clock()
    stands = state_of(node, peer)
    acks = [a for id in withdrawals for a in _told(node, id).acks if a.party == peer]
    if acks:
        last = max(acks, key=lambda a: a.time)
        return last.effect, last.time
    told = [g.at for id in withdrawals for g in node.store.given(id) if g.peer == peer]
    if withdrawals and any(told):
        at = min(filter(None, told))
        return ("silent" if now - read_time(at) > SILENT_AFTER else "told"), at
    if stands.failing and (withdrawals or not received):
        return "unreachable", stands.failing
    if received:
        return "holds", received
    return "not yet", ""
