"""Who holds a statement: to whom it went, who was told that it is taken back, and what they did.

Spec: exchange.md §5, "Withdrawals and narrowings", "Who still holds it".
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from datetime import timedelta
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tocsin.errors import ConflictError
from tocsin.flows import intake, rows
from tocsin.flows.homes import host_of, peers_of
from tocsin.flows.neighbours import State, state_of
from tocsin.flows.node import Node
from tocsin.flows.pages import passed_over
from tocsin.policy import TLP_ORDER, Reader, Tlp
from tocsin.record.envelope import sealed_entry
from tocsin.record.statement import Statement, read_time
from tocsin.store.federation import Given
from tocsin.store.interface import Kept, stays_on_record

TOLD = "withdrawal"
"""Local rows: what came of each withdrawal that this node knows; from acks, so recomputable."""
HEARD = "heard"
"""Local row: the log index up to which `follow_up` has been."""
MAX_ACKS = 8
"""Of one party to one withdrawal; it has nothing new to say after that."""
SILENT_AFTER = timedelta(days=1)
AT_ONCE = 500
"""Statements in memory at once."""
NOT_TAKEN = "not-taken"
"""Local rows, by peer/statement: what a peer refused when it was brought there."""


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
    """not yet, holds (that node says that it has read it), not taken (that node refused it), told,
    removed, kept-as-record, not-held, refused (to remove it), silent, unreachable."""
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
    after, version = (int(row.value), row.version) if row else (-1, None)
    head = node.store.head()
    end = head.size - 1 if head is not None else -1
    while after < end:
        acks = _page(node, "ack", after)
        withdrawals = _page(node, "withdraw", after)
        # So far both have been read: neither gets ahead of the other.
        upto = min([end, *(page[-1].index for page in (acks, withdrawals) if len(page) == AT_ONCE)])
        for kept in acks:
            if kept.index <= upto:
                _acknowledged(node, intake.parse_kept(kept))
        for kept in withdrawals:
            if (
                kept.index <= upto
                and host_of(node.directory, kept.author) != node.party
                and _told(node, kept.id).answered < 0
            ):
                _heard(node, kept.id, intake.parse_kept(kept), tellers.get(kept.id, ""))
        after = upto
        try:
            version = node.store.keep_local(HEARD, HEARD, str(after).encode(), version)
        except ConflictError:
            return  # somebody else is at it


def _page(node: Node, kind: str, after: int) -> list[Kept]:
    return node.store.statements(node.everything(), kind=kind, after_index=after, limit=AT_ONCE)


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
    rows.change(node, TOLD, id, Told, Told(), rows.to(**changed))


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
    asked = _Asked(node, reader, {statement for _, statement in own})
    found: list[Holder] = []
    for held, statement in own:
        for given in node.store.given(held):
            if passed_over(node, given.peer, held):
                continue
            state, since = asked.state(given, held, statement)
            for party in asked.homes(given.peer):
                if party == reader.party or not asked.may(party, held):
                    continue
                found.append(
                    Holder(
                        party=party,
                        node=given.peer,
                        statement=statement,
                        received="" if state == "not taken" else given.at,
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


class _Asked:
    """What one answer needs of many statements: each thing is read once."""

    def __init__(self, node: Node, reader: Reader, statements: Set[str]) -> None:
        self._node = node
        self._peers = peers_of(node.directory, node.party)
        self._withdrawals = _withdrawals(node, reader, statements)
        self._states: dict[str, State] = {}
        self._told: dict[str, tuple[Told, list[Given]]] = {}
        self._allowed: dict[str, frozenset[int] | None] = {}

    def homes(self, peer: str) -> tuple[str, ...]:
        """Who is at home at this node."""
        found = self._peers.get(peer)
        return found.home if found is not None else (peer,)

    def may(self, party: str, statement: str) -> bool:
        """Whether `party` is one of those for whom the node there was given the statement."""
        node = self._node
        if party not in self._allowed:
            known = node.directory.party(party) is not None
            self._allowed[party] = node.allowed(node.reader(party)) if known else None
        allowed = self._allowed[party]
        return allowed is None or bool(node.store.holdings(statement, allowed))

    def state(self, given: Given, held: str, statement: str) -> tuple[str, str]:
        """How it stands there, and since when."""
        peer, received = given.peer, given.at
        told = [self._told_of(id) for id in self._withdrawals.get(statement, ())]
        acks = [a for one, _ in told for a in one.acks if a.party == peer]
        if acks:
            last = max(acks, key=lambda a: a.time)
            return last.effect, last.time
        refused = self._node.store.local(NOT_TAKEN, f"{peer}/{held}")
        if refused is not None:
            return "not taken", refused.value.decode()
        at = [g.at for _, givens in told for g in givens if g.peer == peer and g.at]
        if at:
            first = min(at)
            silent = self._node.clock() - read_time(first) > SILENT_AFTER
            return ("silent" if silent else "told"), first
        if peer not in self._states:
            self._states[peer] = state_of(self._node, peer)
        unreachable = self._states[peer].unreachable
        if unreachable and (told or not received):
            return "unreachable", unreachable
        if received:
            return "holds", received
        return "not yet", ""

    def _told_of(self, withdrawal: str) -> tuple[Told, list[Given]]:
        if withdrawal not in self._told:
            known = _told(self._node, withdrawal), self._node.store.given(withdrawal)
            self._told[withdrawal] = known
        return self._told[withdrawal]


def _withdrawals(node: Node, reader: Reader, statements: Set[str]) -> dict[str, list[str]]:
    """Statement → what of the reader's party takes it back; each withdrawal is read once."""
    found: dict[str, list[str]] = {}
    allowed, after = node.allowed(reader), -1
    while page := node.store.statements(
        allowed, author=reader.party, kind="withdraw", after_index=after, limit=AT_ONCE
    ):
        for kept in page:
            for ref in statements & set(intake.parse_kept(kept).refs):
                found.setdefault(ref, []).append(kept.id)
        after = page[-1].index
    return found


def not_taken(node: Node, peer: str, brought: Set[str], refused: Set[str]) -> None:
    """Note which of the statements that were brought to a peer it refused; the rest it took.

    Args:
        brought: as the log holds them.
        refused: as the peer names them; what was not brought is passed over.
    """
    for id in sorted(brought):
        key = f"{peer}/{id}"
        row = node.store.local(NOT_TAKEN, key)
        value = intake.stamp(node.clock()).encode() if id in refused else None
        if (row is None) == (value is None):
            continue
        # One exchange with a peer at a time: nobody else writes this row.
        node.store.keep_local(NOT_TAKEN, key, value, row.version if row else None)
