"""What peers brought and cannot be judged yet: what is kept, who is told, and whose turn it is.

It is unseen and never passed on. For whom it is nobody knows before it is judged, so that nobody
but its author is shown more than that something waits.
Spec: exchange.md §5, "Quarantine"; decisions/0032.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta

from msgspec import Struct

from tocsin.errors import RateError
from tocsin.flows import intake, waiting
from tocsin.flows.homes import host_of
from tocsin.flows.node import Node
from tocsin.policy import Audience, Reader, may_read
from tocsin.store.federation import MAX_QUARANTINED, HeldBack, Quarantined

KEPT_FOR = timedelta(days=30)
AT_ONCE = 16
"""Of its statements with their bytes in memory: of 1 MiB each at most, but for the odd one."""
ROUNDS_TO_ASK_AGAIN = 10

_WHY = {
    "ChainError": "what stands before it in its chain has not come",
    "SignatureError": "its key is not known here, or was revoked before it came",
    "DirectoryError": "its author, or the directory it needs, is not known here yet",
    "MarkingError": "it is under a marking that is not known here yet",
    "SpeakerError": "whose it is to say is not known here yet",
    "ConflictError": "it does not agree with what is here",
    "StatementError": "it is of a version or kind that this tocsin does not know",
}


class Held(Struct, frozen=True, kw_only=True):
    """One line of `tocsin peers`: something waits."""

    peer: str
    id: str
    """"" for whom it is not known to be."""
    author: str
    since: str
    reason: str
    """Name of the error."""
    detail: str
    """In words; what it names is told to those only who may read it."""


class _Unjudged(Struct, frozen=True):
    audience: Audience


def listed(node: Node, reader: Reader) -> list[Held]:
    """Everything that waits, oldest first, as far as this reader is to know."""
    found = []
    for one in node.store.held_back():
        # Whom it names has not been judged: it counts as naming nobody, under the strictest.
        audience = Audience(author=one.author, tlp="RED", unknown=True)
        shown = may_read(reader, _Unjudged(audience))
        found.append(
            Held(
                peer=one.peer,
                id=one.id if shown else "",
                author=one.author,
                since=one.since,
                reason=one.reason,
                detail=one.message if shown else _why(one),
            )
        )
    return found


def _why(one: HeldBack) -> str:
    if waiting.EVIDENCE in one.waits:
        return "its author has signed another for the same place"
    if waiting.OBJECTS in one.waits:
        return "its objects have not come"
    return _WHY.get(one.reason, "it cannot be judged yet")


def whole(
    node: Node,
    peer: str | None = None,
    *,
    waits: Sequence[str] | None = None,
    evidence: bool = True,
) -> Iterator[Quarantined]:
    """What waits, with its bytes, oldest first: a few at a time are in memory.

    What is let go while this goes on does not come any more.

    Args:
        peer: of this one; None: of all.
        waits: only what waits for any of these.
        evidence: also what is kept as evidence only.
    """
    rows = [
        (one.peer, one.id)
        for one in node.store.held_back(peer, waiting=waits)
        if evidence or waiting.EVIDENCE not in one.waits
    ]
    for at in range(0, len(rows), AT_ONCE):
        some = set(rows[at : at + AT_ONCE])
        for one in node.store.quarantined(peer, ids=sorted({id for _, id in some})):
            if (one.peer, one.id) in some:
                yield one


def expire(node: Node) -> list[str]:
    """Drop what has waited for thirty days; the peers of whose something was dropped."""
    return node.store.expire(intake.stamp(node.clock() - KEPT_FOR))


def has_room(node: Node, peer: str) -> bool:
    """Whether half the room of this peer is free: what was dropped may come again."""
    return node.store.held_back_counts().get(peer, 0) <= MAX_QUARANTINED // 2


# --- keeping ----------------------------------------------------------------------------------


def keep(node: Node, one: Quarantined) -> tuple[bool, int]:
    """Keep one; what others said goes where there is no room for what the peer says itself.

    Returns:
        Whether it is kept; how many others were let go for it.
    """
    if node.store.quarantine(one):
        return True, 0
    if not of_peer(node, one.peer, one.author):
        # Whoever signs two histories fills this. It must not stop what an honest peer says.
        return False, 0
    gone = _make_room(node, one.peer)
    return bool(gone) and node.store.quarantine(one), gone


def full(peer: str) -> RateError:
    """That there is no room for more of what this peer brings."""
    return RateError(
        f"what {peer} brings cannot be let in yet, and there is no room to keep more of it",
        remedy="keep it, and bring it again later",
    )


def of_peer(node: Node, peer: str, author: str) -> bool:
    """Whether a statement of this author, or of nobody known, is the peer's own to bring."""
    return not author or host_of(node.directory, author) == peer


def _make_room(node: Node, peer: str) -> int:
    """Let go of what others' statements this peer brought take up, but the first of each author,
    which is evidence; how many went."""
    seen: set[str] = set()
    gone: list[str] = []
    for one in node.store.held_back(peer):
        if of_peer(node, peer, one.author):
            continue
        if one.author in seen:
            gone.append(one.id)
        seen.add(one.author)
    if gone:
        node.store.release(peer, gone)
    return len(gone)


# --- asking again -----------------------------------------------------------------------------


class Asking:
    """Which of what waits for a key a peer is asked for again: all get their turn, oldest first.

    A page has room for some only, and a peer need not have all: while something comes, the rest of
    the same is asked for; when nothing does, the next have their turn. What is new begins behind
    all that waits. Guarded by its own lock.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._lock = threading.Lock()
        self._asked_in: dict[str, int] = {}
        self._turns: dict[str, dict[str, int]] = {}
        """Peer → id → how many turns it has had."""
        self._left: dict[str, frozenset[str]] = {}
        """What of the last that a peer was asked for is still to come."""

    def due(self, peer: str, round_: int) -> bool:
        """Whether this peer is to be asked in this round: in every tenth, or the next it is in."""
        with self._lock:
            if round_ - self._asked_in.setdefault(peer, 0) < ROUNDS_TO_ASK_AGAIN:
                return False
            self._asked_in[peer] = round_
            return True

    def next(self, peer: str, most: int) -> list[str]:
        """The ids of at most so many, by who has waited longest for a turn, then by age."""
        ids = [one.id for one in self._node.store.held_back(peer) if one.reason == "SignatureError"]
        with self._lock:
            known = self._turns.get(peer, {})
            last = max((known[id] for id in ids if id in known), default=0)
            turns = self._turns[peer] = {id: known.get(id, last) for id in ids}
            left = self._left.get(peer, frozenset())
            return ([id for id in ids if id in left] or sorted(ids, key=turns.__getitem__))[:most]

    def settle(self, peer: str, asked: Sequence[str], came: frozenset[str]) -> None:
        """What was asked for, and what the peer gave."""
        with self._lock:
            turns, given = self._turns.get(peer, {}), came.intersection(asked)
            self._left[peer] = frozenset(asked) - given if given else frozenset()
            for id in given or asked:
                if id in turns:
                    turns[id] += 1
