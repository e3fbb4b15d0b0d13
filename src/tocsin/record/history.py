"""The key history as one reader folds it: directories, keys and revocations from a root it trusts.

A joining party, a registrar and whoever rotates a key fold it at home, from a feed of envelopes
that a node gave; nothing of it is taken on the node's word. What a node has kept back shows as a
gap of a party's key chain, or not at all if it is the end. Spec: record.md, "Directory and keys".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec import Struct

from tocsin.errors import InputError, RecordError, StatementError
from tocsin.record.admission import ChainHead, admit
from tocsin.record.directory import KeyRing
from tocsin.record.envelope import Verified, open_statement, statement_id
from tocsin.record.statement import ROOT_KINDS, Statement


class KeyHistory:
    """A ring with the ends of all key chains, fed with envelopes; each is judged as it comes.

    Raises:
        StatementError, DirectoryError, SignatureError: as `open_root`.
    """

    def __init__(self, root: bytes) -> None:
        self.ring = KeyRing(root)
        self.heads: dict[str, ChainHead] = {}
        """The end of each party's key chain."""
        self.taken: list[Verified] = []
        """What was taken, in that order."""
        self._ids: set[str] = set()
        self._next = 0
        self.take(root)

    def take(self, raw: bytes, index: int | None = None) -> Verified | None:
        """Judge one envelope at the end of this history; None if it was taken before.

        Args:
            index: its place in the log it was fetched from, above all before; None: the next.

        Raises:
            StatementError: not a statement, or of a kind that does not belong here.
            ChainError, SignatureError, DirectoryError: as `admit`.
        """
        envelope, s = open_statement(raw)
        if envelope.id in self._ids:
            return None
        _of_root_kind(s)
        found = admit(
            raw,
            keyring=self.ring,
            chain=self.heads.get(s.author),
            index=None,
            markings=lambda _: None,
        )
        self._next = self._next if index is None else index
        self.ring.admit_key(found, self._next)
        self._next += 1
        self.heads[s.author] = ChainHead(seq=s.seq, head=found.id)
        self.taken.append(found)
        self._ids.add(found.id)
        return found

    def follows(self, author: str) -> ChainHead:
        """(seq, prev) that the party's next root statement bears."""
        last = self.heads.get(author)
        return ChainHead(seq=last.seq + 1 if last else 1, head=last.head if last else "")


class Refused(Struct, frozen=True, kw_only=True):
    """One envelope of a feed that was not taken, and why."""

    id: str
    error: InputError


def settle(items: Iterable[bytes], take: Callable[[bytes], object]) -> list[Refused]:
    """Take a feed's envelopes in an order that works; what could not be taken, with its reason.

    Whatever order a feed has, a statement follows the one before it in its author's key chain;
    between chains each is tried until nothing moves any more. One bad envelope holds up the rest
    of its own chain and nobody else's.

    Args:
        take: takes one envelope, or raises InputError. May be called again for the same one.
    """
    refused: list[Refused] = []
    left: list[_Item] = []
    for raw in items:
        try:
            envelope, s = open_statement(raw)
            _of_root_kind(s)
        except RecordError as wrong:
            refused.append(Refused(id=statement_id(raw), error=wrong))
            continue
        left.append(_Item(author=s.author, seq=s.seq, id=envelope.id, raw=raw))
    moved = True
    while moved:
        taken = _pass(left, take)
        moved = any(item.done for item in left)
        # Of two for one place the other may be the one that is held: this one never comes in.
        dead = [i for i in left if not i.done and i.seq <= taken.get(i.author, 0)]
        refused += [Refused(id=i.id, error=i.error or _BEHIND) for i in dead]
        left = [i for i in left if not i.done and i.seq > taken.get(i.author, 0)]
    return refused + [Refused(id=item.id, error=item.error or _BEHIND) for item in left]


class _Item(Struct, kw_only=True):
    author: str
    seq: int
    id: str
    raw: bytes
    done: bool = False
    error: InputError | None = None


def _pass(left: list[_Item], take: Callable[[bytes], object]) -> dict[str, int]:
    """Try once, in the feed's own order, what is next in its chain: author -> last place taken."""
    following: dict[str, list[int]] = {}
    for item in left:
        following.setdefault(item.author, []).append(item.seq)
    for places in following.values():
        places.sort(reverse=True)
    taken: dict[str, int] = {}
    for item in left:
        places = following[item.author]
        if not places or item.seq != places[-1]:
            continue
        try:
            take(item.raw)
        except InputError as wrong:
            item.error = wrong
        else:
            item.done = True
            taken[item.author] = item.seq
            while places and places[-1] == item.seq:
                places.pop()
    return taken


_BEHIND = RecordError(
    "the statement before it in its key chain was not taken",
    remedy="look at that one's reason; fetch the directory from another node too",
)


def _of_root_kind(s: Statement) -> None:
    if s.kind not in ROOT_KINDS:
        raise StatementError(
            f"a {s.kind} statement among keys and directories",
            remedy="ask that node's operator what it gives out as its directory",
        )
